package doctor

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"varve/internal/location"
)

func TestSettingsAreReadAsSSHPrintsThem(t *testing.T) {
	t.Setenv("HOME", "/home/u")
	c := parseSettings("user u\nhostname 192.0.2.1\nport 2222\nhostkeyalias web\nidentityfile ~/.ssh/id_rsa\nidentityfile /k\n" +
		"userknownhostsfile ~/.ssh/known_hosts /x\nglobalknownhostsfile /etc/ssh/ssh_known_hosts\nproxyjump none\nno value\n\n")
	want := settings{host: "192.0.2.1", port: "2222", user: "u", alias: "web", keys: []string{"/home/u/.ssh/id_rsa", "/k"},
		known: []string{"/home/u/.ssh/known_hosts", "/x", "/etc/ssh/ssh_known_hosts"}}
	if fmt.Sprint(c) != fmt.Sprint(want) {
		t.Errorf("settings are %+v, want %+v", c, want)
	}
	if !parseSettings("proxyjump gate\n").indirect || !parseSettings("proxycommand nc %h %p\n").indirect {
		t.Error("a jump host was overlooked")
	}
	for want, c := range map[string]settings{"web": c, "[h]:2222": {host: "h", port: "2222"}, "h": {host: "h", port: "22"}} {
		if got := c.knownAs(); got != want {
			t.Errorf("the host key is looked up as %q, want %q", got, want)
		}
	}
}

func TestAttemptsAreReadAsSSHTellsThem(t *testing.T) {
	t.Parallel()
	a := parseAttempt("debug1: Authentications that can continue: publickey,password\r\n" +
		"debug1: Offering public key: /home/u/my key RSA SHA256:abc agent\n" +
		"debug1: Offering public key: /home/u/my key RSA SHA256:abc agent\n" +
		"debug1: Offering public key: u@host ED25519 SHA256:def agent\n" +
		"Received disconnect: Too many authentication failures\n" + strings.Repeat("debug1: Offering public key: x\n", 3))
	if !slices.Equal(a.keys, []string{"/home/u/my key RSA", "u@host ED25519", "x"}) || a.methods != "publickey,password" || !a.tooMany {
		t.Errorf("the attempt was %+v", a)
	}
	var many strings.Builder
	for i := range 100 {
		fmt.Fprintf(&many, "debug1: Offering public key: %d\n", i)
	}
	if n := len(parseAttempt(many.String()).keys); n != maxOffers {
		t.Errorf("%d keys are told of", n)
	}
}

func TestTooManyKeysInAnAgentAreNamed(t *testing.T) {
	t.Parallel()
	e := newExam(t.Context(), Options{}.filled())
	defer e.stop()
	s := location.Spec{Scheme: location.SFTP}
	s.Target.Host = "web"
	c := settings{host: "web", port: "22", user: "u", indirect: true}
	if line := e.install(s, c, attempt{}); !strings.Contains(line, "ssh-keygen -t ed25519 -f ") || !strings.HasSuffix(line, " web") {
		t.Errorf("without a key, one is installed by %q", line)
	}
	if line := fingerprint(c); strings.Contains(line, "keyscan") {
		t.Errorf("behind a jump host the fingerprint is shown by %q", line)
	}
}

func TestStorageBoxesAreKnownByTheirNames(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{"u1.your-storagebox.de": true, "U1-sub1.Your-StorageBox.de.": true, "u1.your-backup.de": true,
		"your-storagebox.de.example.com": false, "notyour-storagebox.de": false, "web": false} {
		var s location.Spec
		s.Target.Host = host
		if got := (settings{}).isBox(s); got != want {
			t.Errorf("%s is a storage box: %v", host, got)
		}
	}
}

func FuzzTextIsHarmless(f *testing.F) {
	for _, text := range []string{"", "plain", "\x1b[31m", "\xff\xfe", "a\u202eb", strings.Repeat("\x00", 3000), "tab\tline\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		out := harmless(text)
		if !utf8.ValidString(out) || len(out) > 2*maxText {
			t.Errorf("%d bytes became %d: %q", len(text), len(out), out)
		}
		for _, r := range out {
			if r < ' ' || r == 0x7f || r == 0x202e || r == 0x9b {
				t.Errorf("%q got through in %q", r, out)
			}
		}
	})
}

func TestAgesAndSizesHaveUnitsThatSuitThem(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1 << 20: "1.0 MiB", 1<<63 - 1: "8.0 EiB"} {
		if got := size(n); got != want {
			t.Errorf("%d bytes are %q, want %q", n, got, want)
		}
	}
}
