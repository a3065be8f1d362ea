package servers

import (
	_ "github.com/Shopify/toxiproxy/v2"
	_ "github.com/chromedp/chromedp"
	_ "github.com/gin-gonic/gin"
	_ "github.com/modelcontextprotocol/go-sdk/mcp"
	_ "github.com/quic-go/quic-go/http3"
	_ "github.com/r3labs/sse/v2"
	_ "github.com/tmaxmax/go-sse"
)
