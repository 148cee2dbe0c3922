package remote

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"unicode/utf8"

	"varve"
	"varve/internal/backend/mem"
	"varve/internal/mux"
	"varve/internal/sshtest"
	"varve/internal/storetest"
)

func TestTextsAreMadeHarmlessAndTellWhatTheyWere(t *testing.T) {
	for text, want := range map[string]string{
		"plain Ünïcode 世":    "plain Ünïcode 世",
		"\x1b[2J\r\n\x00":    `\x1b[2J\x0d\x0a\x00`,
		"a\xffb\xc3":         `a\xffb\xc3`,
		"the sign \ufffd":    "the sign \ufffd",
		"\u0085\u202e\u200b": `\u0085\u202e\u200b`,
		"\U000e0001":         `\U000e0001`,
	} {
		if got := harmless(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	if got := harmless(strings.Repeat("世", maxText)); !utf8.ValidString(got) || len(got) > maxText+12 {
		t.Errorf("a long text becomes one of %d bytes", len(got))
	}
}

func TestAFileThatIsSkippedNamesItsPathOnce(t *testing.T) {
	src := storetest.NewTree()
	src.Dir("etc")
	denied := func(op string) error { return &fs.PathError{Op: op, Path: "/etc/shadow", Err: fs.ErrPermission} }
	src.File("etc/entry", "x").Trouble.Entry = denied("lstat")
	src.File("etc/open", "x").Trouble.Open = denied("open")
	src.File("etc/read", "xx").Trouble.Read = denied("read")
	s := connect(t, Service{Role: Append, Store: newGround(t).store(t)}).Store()
	told := map[string]error{}
	_, err := s.Save(t.Context(), src, varve.SaveOptions{Series: "s", Progress: func(e varve.Event) {
		if e.Kind == varve.Skipped {
			told[e.Path] = e.Err
		}
	}})
	must(t, err)
	for _, name := range []string{"entry", "open", "read"} {
		err := told["etc/"+name]
		if err == nil || strings.Contains(err.Error(), "/") || !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestALineThatIsCutInTheMiddleOfAnAnswerIsLostAndNoBreach(t *testing.T) {
	far := mem.New(mem.Options{})
	name, data := object(1, 500_000)
	must(t, far.Put(t.Context(), name, data))
	for _, after := range []int64{20_000, 65_000, 70_001, 140_003} {
		x := newExchange(t, Service{Role: Full, Backend: far}, sshtest.Faults{CutAfter: after})
		c, err := x.dial(t.Context())
		must(t, err)
		if _, err := c.Backend().Get(t.Context(), name, 0, -1); !errors.Is(err, mux.ErrLost) || errors.Is(err, ErrProtocol) {
			t.Errorf("cut after %d bytes: %v", after, err)
		}
		must(t, c.Close())
	}
}
