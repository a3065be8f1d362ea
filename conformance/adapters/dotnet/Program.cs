// The adapter of System.Net.ServerSentEvents for sseconform. It is a parser only, so there is one
// request and no reconnection. Not tested: see the README beside it.
using System.Net.ServerSentEvents;
using System.Text.Json;

static void Report(object line) => Console.WriteLine(JsonSerializer.Serialize(line));

using var client = new HttpClient();
client.DefaultRequestHeaders.Add("Accept", "text/event-stream");
try
{
    using var stream = await client.GetStreamAsync(args[^1]);
    var parser = SseParser.Create(stream);
    await foreach (var item in parser.EnumerateAsync())
    {
        Report(new { type = item.EventType, data = item.Data, id = parser.LastEventId });
    }
}
catch (Exception err) when (err is HttpRequestException or IOException)
{
    Report(new { error = err.Message });
}
Report(new { closed = true });
