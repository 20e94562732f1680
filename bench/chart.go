package main

import (
	"bytes"
	"fmt"
	"html"
)

// The chart's measures, in pixels.
const (
	chartWidth  = 760
	labelWidth  = 130
	valueWidth  = 70
	barHeight   = 16
	barGap      = 5
	panelGap    = 34
	titleHeight = 24
)

// chartPanels are the workloads that the chart shows.
var chartPanels = []string{"echo64-1", "echo64-64", "echo64-256", "meta64-64", "chat64-64", "download64", "echo1m-1"}

// chart draws calls per second of processor time, both sides together, as
// multiples of grpc-go's: one panel for each workload, one bar for each pair.
func chart(r *results) []byte {
	type bar struct {
		pair  string
		value float64
	}
	var body bytes.Buffer
	y := 58
	for _, name := range chartPanels {
		var bars []bar
		top := 0.0
		for _, c := range r.Cells {
			if v, ok := times(name, "grpc-go", c.Pair, cpu)(r); c.Work == name && ok {
				bars = append(bars, bar{c.Pair, v})
				top = max(top, v)
			}
		}
		if len(bars) == 0 {
			continue
		}
		title := name
		for _, w := range r.Works {
			if w.Name == name {
				title = w.Title
			}
		}
		fmt.Fprintf(&body, "<text class=\"t\" x=\"8\" y=\"%d\">%s</text>\n", y, html.EscapeString(title))
		y += titleHeight - 12
		for _, b := range bars {
			width := b.value / top * (chartWidth - labelWidth - valueWidth)
			fmt.Fprintf(&body, "<text class=\"l\" x=\"%d\" y=\"%d\">%s</text><rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\"/><text x=\"%.1f\" y=\"%d\">%sx</text>\n",
				labelWidth-8, y+barHeight-4, html.EscapeString(b.pair), barClass(b.pair), labelWidth, y, max(width, 1), barHeight,
				labelWidth+width+5, y+barHeight-4, number(b.value))
			y += barHeight + barGap
		}
		y += panelGap - barGap
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" font-family="system-ui, sans-serif" font-size="12">
<style>
.bg { fill: #ffffff } text { fill: #24292f } .t { font-weight: 600 } .l { text-anchor: end } .h { font-size: 15px; font-weight: 600 }
.ours { fill: #5b4bc4 } .peer { fill: #9aa4b2 } .floor { fill: #d9a441 }
@media (prefers-color-scheme: dark) { .bg { fill: #0d1117 } text { fill: #d8dee6 } .ours { fill: #8f82ee } .peer { fill: #5d6775 } }
</style>
<rect class="bg" width="100%%" height="100%%"/>
<text class="h" x="8" y="24">Calls for each second of processor time, client and server together; grpc-go = 1</text>
`, chartWidth, y, chartWidth)
	out.Write(body.Bytes())
	out.WriteString("</svg>\n")
	return out.Bytes()
}

// barClass tells ours, our peers and the floors apart.
func barClass(pair string) string {
	switch pair {
	case "lupine", "lupine-tls", "lupine-unix", "lupine>grpc-go", "grpc-go>lupine":
		return "ours"
	case "framed", "framed-go", "ping-pong":
		return "floor"
	}
	return "peer"
}
