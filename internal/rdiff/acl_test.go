package rdiff

import (
	"errors"
	"testing"
)

func nobody(string) (uint32, bool) { return 0, false }

func joe(name string) (uint32, bool) { return 1000, name == "joe" }

func TestACLsThatSayNoMoreThanTheModeAreNone(t *testing.T) {
	xattrs, err := parseACL("user::rw-\ngroup::r--\nother::---\n", nobody, nobody)
	if err != nil || len(xattrs) != 0 {
		t.Errorf("%q, %v", xattrs, err)
	}
}

func TestAnUnknownNameCostsItsEntryAlone(t *testing.T) {
	const text = "user::rw-\nuser:joe:r--\nuser:stranger:rwx\ngroup::r--\nmask::r--\nother::---\n"
	xattrs, err := parseACL(text, joe, nobody)
	if !errors.Is(err, errUnknownOwner) || len(xattrs) != 1 {
		t.Fatalf("%q, %v", xattrs, err)
	}
	want, err := parseACL("user::rw-\nuser:1000:r--\ngroup::r--\nmask::r--\nother::---\n", nobody, nobody)
	if err != nil || want[0] != xattrs[0] {
		t.Errorf("%q, want %q, %v", xattrs, want, err)
	}
}

func TestWhatIsNoACLIsRefused(t *testing.T) {
	for _, text := range []string{"user::rw-", "user::rw-\ngroup::r--\n", "user::rw-\ngroup::r--\nother::---\nuser:1:r--\n", "nonsense",
		"user::rw-\nuser::rw-\ngroup::r--\nother::---\n", "user::rwxx\n", "user::wr-\n", "mask:1:r--\n", "other:x:r--\n", ":::", "default:",
		"default:default:user::rw-\n", "user::rw-\nuser:1:r--\nuser:1:r--\ngroup::r--\nmask::r--\nother::---\n"} {
		if xattrs, err := parseACL(text, joe, joe); err == nil || len(xattrs) > 0 {
			t.Errorf("%q: %q, %v", text, xattrs, err)
		}
	}
}

func TestNamesAreUnquotedAsTheyWereQuoted(t *testing.T) {
	for _, c := range []struct {
		undo     func(string) string
		in, want string
	}{
		{unquoteName, "a;058b;;05965", "a:b;;65"}, {unquoteName, ";06", ";06"}, {unquoteName, ";300;255", ";300\xff"}, {unquoteName, ";+65", ";+65"},
		{unescapeLine, `a\nb\\n\x`, "a\nb\\n\\x"}, {unescapeLine, `\`, `\`},
		{unescapeOctal, `a\040b\134\12`, `a b\\12`}, {unescapeOctal, `\400\377`, "\\400\xff"}, {unescapeOctal, `\\041`, `\!`},
	} {
		if got := c.undo(c.in); got != c.want {
			t.Errorf("%q becomes %q, want %q", c.in, got, c.want)
		}
	}
}
