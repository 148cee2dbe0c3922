package tree_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"varve"
	"varve/internal/disk/faultfs"
	"varve/internal/disk/memfs"
	"varve/internal/storetest"
)

// heavy returns a tree of 40 files of 64 KiB in one directory.
func heavy() *storetest.Tree {
	t := storetest.NewTree()
	t.Dir("dir")
	for i := range 40 {
		t.File(fmt.Sprintf("dir/file %02d", i), fmt.Sprintf("%02d", i)+storetest.Text(64<<10))
	}
	return t
}

func TestARunThatIsCutLeavesWhatItCopiedToTheNextOne(t *testing.T) {
	const cut = 30
	for name, opts := range map[string]memfs.Options{"hard links": {}, "no hard links": {NoLinks: true}} {
		for _, far := range []bool{false, true} {
			for _, how := range []string{"killed", "power failure", "error of the source"} {
				t.Run(fmt.Sprintf("%s, far %v, %s", name, far, how), func(t *testing.T) {
					b := newBed(t, opts)
					b.use.Far = far
					src := heavy()
					inj := &faultfs.Injector{At: cut, Fault: faultfs.Kill(faultfs.Nothing), Filter: func(op faultfs.Op) bool {
						return op.Method == "FS.Create" && strings.Contains(op.Name, "/tree/")
					}}
					if how == "error of the source" {
						inj = nil
						src.At(fmt.Sprintf("dir/file %02d", cut)).Trouble.Open = errors.New("the line is cut")
					}
					s, err := b.open(inj)
					must(t, err)
					if b.trySave(s, src) == nil {
						t.Fatal("the run was not cut")
					}
					_ = s.Close()
					switch how {
					case "killed":
						b.disk.Kill()
					case "power failure":
						b.disk.Crash(func() bool { return true })
					}
					most := int64(16 << 16)
					if how == "error of the source" {
						most = 11 << 16
					}
					if snap := b.save(heavy()); snap.Added > most {
						t.Errorf("%d bytes were copied again, of %d", snap.Added, heavy().Size())
					}
					b.sound()
					b.tidy()
				})
			}
		}
	}
}

// cut begins to save heavy and breaks off in the middle.
func (b *bed) cut() {
	b.Helper()
	src := heavy()
	src.At("dir/file 30").Trouble.Open = errors.New("the line is cut")
	s := b.store()
	if b.trySave(s, src) == nil {
		b.Fatal("the run was not cut")
	}
	must(b.T, s.Close())
}

func TestAJournalThatIsTornOrForgedIsOnlyOfLessUse(t *testing.T) {
	for name, spoil := range map[string]func(text string) string{
		"torn":    func(text string) string { return text[:len(text)/2] },
		"empty":   func(string) string { return "" },
		"rubbish": func(string) string { return strings.Repeat("rubbish", 1000) },
		"forged":  func(text string) string { return strings.Replace(text, "dir", "../", 1) + text },
		"twice":   func(text string) string { return text + text },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, memfs.Options{})
			b.cut()
			path := ".varve/partial/" + b.names(".varve/partial")[0] + "/journal"
			b.overwrite(path, spoil(b.read(path)))
			b.save(heavy())
			b.sound()
			b.tidy()
		})
	}
}

func TestWhatALeftoverClaimsIsReadBeforeItIsBuiltOn(t *testing.T) {
	for name, far := range map[string]bool{"here": false, "from afar, where the broken run was none that made each file durable": true} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, memfs.Options{})
			b.cut()
			b.overwrite(".varve/partial/"+b.names(".varve/partial")[0]+"/tree/dir/file 07", "07"+strings.ToUpper(storetest.Text(64<<10)))
			b.use.Far = far
			b.save(heavy())
			b.sound()
			s := b.store()
			defer s.Close()
			_, err := s.Verify(context.Background(), varve.VerifyOptions{})
			must(t, err)
		})
	}
}
