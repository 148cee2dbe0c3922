package location

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"varve/internal/ssh"
)

func TestPlacesAreReadAsRsyncScpAndResticReadThem(t *testing.T) {
	t.Chdir(t.TempDir())
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	at := func(user, host string, port int) ssh.Target { return ssh.Target{User: user, Host: host, Port: port} }
	for text, want := range map[string]Spec{
		"./a:b":                  {Path: here + "/a:b"},
		"/a:b":                   {Path: "/a:b"},
		"a/b:c":                  {Path: here + "/a/b:c"},
		"a":                      {Path: here + "/a"},
		"/a/":                    {Path: "/a"},
		".":                      {Path: here},
		"@":                      {Path: here + "/@"},
		"/x://y":                 {Path: "/x:/y"},
		"host:":                  {SFTP, at("", "host", 0), "."},
		"host:~":                 {SFTP, at("", "host", 0), "."},
		"host:~/x":               {SFTP, at("", "host", 0), "x"},
		"host:path/":             {SFTP, at("", "host", 0), "path"},
		"user@host:/p//q":        {SFTP, at("user", "host", 0), "/p/q"},
		"a@b@host:x:y":           {SFTP, at("a@b", "host", 0), "x:y"},
		"u@[::1]:/p":             {SFTP, at("u", "::1", 0), "/p"},
		"[fe80::1%eth0]:p":       {SFTP, at("", "fe80::1%eth0", 0), "p"},
		"sftp:u@host:/p":         {SFTP, at("u", "host", 0), "/p"},
		"sftp:dir":               {SFTP, at("", "sftp", 0), "dir"},
		"sftp://host":            {SFTP, at("", "host", 0), "."},
		"sftp://host/":           {SFTP, at("", "host", 0), "/"},
		"SFTP://u@host:23//p/":   {SFTP, at("u", "host", 23), "/p"},
		"sftp://host/~/p":        {SFTP, at("", "host", 0), "p"},
		"sftp://host/~":          {SFTP, at("", "host", 0), "."},
		"sftp://host/~user":      {SFTP, at("", "host", 0), "/~user"},
		"sftp://host/100%25":     {SFTP, at("", "host", 0), "/100%25"},
		"ssh://u@[::1]:22/p":     {SSH, at("u", "::1", 22), "/p"},
		"ssh://host":             {SSH, at("", "host", 0), "."},
		"host::module":           {Rsync, at("", "host", 0), "module"},
		"u@host::module/p":       {Rsync, at("u", "host", 0), "module/p"},
		"rsync://host:873/m/p/q": {Rsync, at("", "host", 873), "m/p/q"},
	} {
		got, err := Parse(text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q: %v\n%s", text, err, diff)
		}
		again, err := Parse(got.String())
		if diff := cmp.Diff(got, again); err != nil || diff != "" {
			t.Errorf("%q is written %q: %v\n%s", text, got, err, diff)
		}
	}
}

func TestPlacesThatMakeNoSenseAreRefused(t *testing.T) {
	for _, text := range []string{"", ":x", "@:x", "sftp://", "sftp:///p", "sftp://host:0/p", "sftp://host:65536/p", "sftp://host:ssh/p", "sftp://[::1/p",
		"[::1:p", "[x]:p", "ssh://u@/p", "host::", "host::/x", "rsync://host", "rsync://host/", "host:a\x00b", "a b:/x", "sftp://-oProxyCommand=x/p", "sftp://-oProxyCommand=x@host/p", "-l:x", "s3:bucket/x", "S3://bucket",
		"rest:https://host/", "s3:http://host/bucket", "rclone:remote:path", "https://host/x", "file:///x", "odd://x"} {
		if got, err := Parse(text); !errors.Is(err, ErrPlace) {
			t.Errorf("%q is %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"s3:bucket/x", "s3:http://host/bucket", "rest:https://host/", "https://host/x", "odd://x"} {
		if _, err := Parse(text); !errors.Is(err, ErrScheme) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAPasswordInAPlaceIsRefusedAndNotRepeated(t *testing.T) {
	for _, text := range []string{"sftp://u:secret@p/x", "ssh://u:secret@p:22/x", "sftp://u:secret@[::1]/x", "SFTP://u:se/secret@p/x", "sftp://u:a@secret@p/x",
		"rsync://u:secret@host/mod", "rsync://u:se/secret@host/mod", "u:secret@host::mod", "https://u:secret@host/x", "s3:https://key:secret@host/x",
		"sftp:sftp://u:secret@p/x", "sftp://:secret@p/x"} {
		_, err := Parse(text)
		if !errors.Is(err, ErrPlace) || !errors.Is(err, ErrPassword) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"sftp://u@[::1]:22/a:b@c", "sftp://host:22/a@b", "ssh://u@host/a:b@c", "/a:b@c", "./u:b@c", "u@host:/a:b@c", "u@host::mod/a:b@c", "rsync://u@host:1/mod/a@b"} {
		if _, err := Parse(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}
