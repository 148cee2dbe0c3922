package rsync

import (
	"strings"
	"testing"
)

func TestLocationsOfDaemonsAreRead(t *testing.T) {
	for text, want := range map[string]Location{
		"rsync://host/mod":              {Host: "host", Module: "mod"},
		"RSYNC://host/mod/":             {Host: "host", Module: "mod"},
		"rsync://u@host:8730/mod/a b/c": {User: "u", Host: "host", Port: 8730, Module: "mod", Path: "a b/c"},
		"host::mod":                     {Host: "host", Module: "mod"},
		"u@h.example.org::mod/a/":       {User: "u", Host: "h.example.org", Module: "mod", Path: "a"},
		"rsync://[::1]:8730/mod":        {Host: "::1", Port: 8730, Module: "mod"},
		"rsync://u@[fe80::1%eth0]/mod":  {User: "u", Host: "fe80::1%eth0", Module: "mod"},
		"[::1]::mod/x::y":               {Host: "::1", Module: "mod", Path: "x::y"},
		"u@[::1]::mod":                  {User: "u", Host: "::1", Module: "mod"},
		"host::mod/a:b@c":               {Host: "host", Module: "mod", Path: "a:b@c"},
	} {
		got, err := ParseLocation(text)
		if err != nil || got != want || !IsLocation(text) {
			t.Errorf("%q: %+v, %v", text, got, err)
			continue
		}
		if again, err := ParseLocation(got.String()); err != nil || again != got {
			t.Errorf("%q is written %q, which is %+v, %v", text, got, again, err)
		}
	}
}

func TestWrongLocationsAreErrors(t *testing.T) {
	for _, text := range []string{
		"", "host", "host:path", "/a::b", "rsync://", "rsync://host", "rsync://host/", "host::", "::mod", "@host::mod", "rsync://host:0/mod",
		"rsync://host:70000/mod", "rsync://host:+8/mod", "rsync://host:/mod", "rsync://u:p@host/mod", "rsync://-oProxy/mod", "-h::mod",
		"host::-mod", "host::mod/../x", "host::mod/./x", "host::mod//x", "host::mod/*", "host::mod/a?", "host::mod/[a]", `host::mod/\`,
		"host::mod/a\nb", "ho st::mod", "rsync://[host]/mod", "rsync://[::1/mod", "rsync://::1/mod", "rsync://a:b:1/mod", "-u@host::mod",
		"host::mod/a\x1b", "a@b@c::mod",
	} {
		if got, err := ParseLocation(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestPathsAndSSHAreNoLocationsOfDaemons(t *testing.T) {
	for _, text := range []string{"", "/a::b", "./a::b", "host:path", "host:/a::b", "user@host:/x", "sftp://h/x", "::x", "a/b::c"} {
		if IsLocation(text) {
			t.Errorf("%q is taken for one", text)
		}
	}
}

func FuzzLocation(f *testing.F) {
	f.Add("rsync://u@host:8730/mod/a b/c")
	f.Add("[::1]::mod/x::y")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := ParseLocation(text)
		if err != nil {
			return
		}
		if again, err := ParseLocation(l.String()); err != nil || again != l {
			t.Errorf("%q is %+v, written %q, which is %+v, %v", text, l, l, again, err)
		}
		if strings.HasPrefix(l.Host, "-") || strings.ContainsFunc(l.String(), isControl) {
			t.Errorf("%q: %+v", text, l)
		}
	})
}
