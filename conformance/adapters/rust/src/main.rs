//! The adapter of eventsource-client for sseconform. Not tested: see the README beside it.
use eventsource_client::{Client, ClientBuilder, SSE};
use futures::StreamExt;
use serde_json::json;

#[tokio::main]
async fn main() {
    let url = std::env::args().next_back().expect("a URL");
    let client = ClientBuilder::for_url(&url).expect("a valid URL").build();
    let mut stream = client.stream();
    let mut id = String::new(); // an event has only the ID of its own
    while let Some(next) = stream.next().await {
        let line = match next {
            Ok(SSE::Connected(_)) => json!({"open": true}),
            Ok(SSE::Comment(_)) => continue,
            Ok(SSE::Event(event)) => {
                id = event.id.unwrap_or(id);
                json!({"type": event.event_type, "data": event.data, "id": id})
            }
            Err(err) => json!({"error": err.to_string()}),
        };
        println!("{line}");
    }
    println!("{}", json!({"closed": true}));
}
