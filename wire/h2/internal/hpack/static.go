package hpack

// static is the static table (RFC 7541, appendix A). It is never written to.
var static = [61]Entry{
	{Name: ":authority", Checked: true},
	{Name: ":method", Value: "GET", Checked: true},
	{Name: ":method", Value: "POST", Checked: true},
	{Name: ":path", Value: "/", Checked: true},
	{Name: ":path", Value: "/index.html", Checked: true},
	{Name: ":scheme", Value: "http", Checked: true},
	{Name: ":scheme", Value: "https", Checked: true},
	{Name: ":status", Value: "200", Checked: true},
	{Name: ":status", Value: "204", Checked: true},
	{Name: ":status", Value: "206", Checked: true},
	{Name: ":status", Value: "304", Checked: true},
	{Name: ":status", Value: "400", Checked: true},
	{Name: ":status", Value: "404", Checked: true},
	{Name: ":status", Value: "500", Checked: true},
	{Name: "accept-charset", Checked: true},
	{Name: "accept-encoding", Value: "gzip, deflate", Checked: true},
	{Name: "accept-language", Checked: true},
	{Name: "accept-ranges", Checked: true},
	{Name: "accept", Checked: true},
	{Name: "access-control-allow-origin", Checked: true},
	{Name: "age", Checked: true},
	{Name: "allow", Checked: true},
	{Name: "authorization", Checked: true},
	{Name: "cache-control", Checked: true},
	{Name: "content-disposition", Checked: true},
	{Name: "content-encoding", Checked: true},
	{Name: "content-language", Checked: true},
	{Name: "content-length"},
	{Name: "content-location", Checked: true},
	{Name: "content-range", Checked: true},
	{Name: "content-type", Checked: true},
	{Name: "cookie", Checked: true},
	{Name: "date", Checked: true},
	{Name: "etag", Checked: true},
	{Name: "expect", Checked: true},
	{Name: "expires", Checked: true},
	{Name: "from", Checked: true},
	{Name: "host", Checked: true},
	{Name: "if-match", Checked: true},
	{Name: "if-modified-since", Checked: true},
	{Name: "if-none-match", Checked: true},
	{Name: "if-range", Checked: true},
	{Name: "if-unmodified-since", Checked: true},
	{Name: "last-modified", Checked: true},
	{Name: "link", Checked: true},
	{Name: "location", Checked: true},
	{Name: "max-forwards", Checked: true},
	{Name: "proxy-authenticate", Checked: true},
	{Name: "proxy-authorization", Checked: true},
	{Name: "range", Checked: true},
	{Name: "referer", Checked: true},
	{Name: "refresh", Checked: true},
	{Name: "retry-after", Checked: true},
	{Name: "server", Checked: true},
	{Name: "set-cookie", Checked: true},
	{Name: "strict-transport-security", Checked: true},
	{Name: "transfer-encoding"},
	{Name: "user-agent", Checked: true},
	{Name: "vary", Checked: true},
	{Name: "via", Checked: true},
	{Name: "www-authenticate", Checked: true},
}

// staticPair returns the static index of a whole field, or 0.
func staticPair(name, value string) int {
	if value == "" || name == "" || name[0] != ':' {
		return 0
	}
	for i := 1; i < 14; i++ {
		if static[i].Name == name && static[i].Value == value {
			return i + 1
		}
	}
	return 0
}

// staticName returns the static index of a name, or 0.
func staticName(name string) int {
	switch name {
	case ":authority":
		return 1
	case ":method":
		return 2
	case ":path":
		return 4
	case ":scheme":
		return 6
	case ":status":
		return 8
	case "accept-encoding":
		return 16
	case "authorization":
		return 23
	case "content-encoding":
		return 26
	case "content-length":
		return 28
	case "content-type":
		return 31
	case "cookie":
		return 32
	case "date":
		return 33
	case "host":
		return 38
	case "location":
		return 46
	case "server":
		return 54
	case "set-cookie":
		return 55
	case "user-agent":
		return 58
	}
	return 0
}
