package tree_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/faultfs"
	"varve/internal/disk/memfs"
	"varve/internal/storetest"
)

// refused checks that a directory that could not be adopted lies where it was.
func (b *bed) refused(list []found, err, want error) {
	b.Helper()
	if err == nil || !errors.Is(err, want) {
		b.Errorf("error %v, want %v", err, want)
	}
	if !b.left(list[0]) {
		b.Error("it is gone")
	}
	b.intact(list)
	b.sound()
}

func TestADirectoryOnAnotherFileSystemIsNotAdopted(t *testing.T) {
	b := newBed(t, memfs.Options{})
	list := newPast(b)
	other := newBed(t, memfs.Options{Dev: 7})
	s := other.store()
	defer s.Close()
	b.refused(list, b.adoptOne(s, list[0], adopting{}), disk.ErrCrossDevice)
}

func TestAStoreOnAnotherMachineAdoptsNothing(t *testing.T) {
	b := newBed(t, memfs.Options{})
	list := newPast(b)
	b.use.Far = true
	s := b.store()
	defer s.Close()
	b.refused(list, b.adoptOne(s, list[0], adopting{}), disk.ErrUnsupported)
}

func TestADirectoryWithAFileThatCannotBeReadIsNotAdopted(t *testing.T) {
	for _, method := range []string{"FS.Open", "FS.Lookup", "FS.Names"} {
		b := newBed(t, memfs.Options{})
		list := newPast(b)
		inj := &faultfs.Injector{At: 1, Fault: faultfs.Fault{Err: syscall.EACCES}, Filter: func(op faultfs.Op) bool {
			return op.Method == method && (op.Name == "old/day.0/zzz" || op.Name == "old/day.0/dir" || op.Name == "old/day.0/dir/.")
		}}
		s, err := b.open(inj)
		must(t, err)
		b.refused(list, b.adoptOne(s, list[0], adopting{root: faultfs.New(b.disk.Root(), inj)}), fs.ErrPermission)
		must(t, s.Close())
		if t.Failed() {
			t.Fatalf("%s: %+v", method, inj.Ops())
		}
	}
}

func TestAnAdoptionThatIsCancelledLeavesTheDirectoryWhereItWas(t *testing.T) {
	counter := &faultfs.Injector{}
	cancelled := func(at int) error {
		b := newBed(t, memfs.Options{})
		list := newPast(b)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		counter = &faultfs.Injector{At: at, Do: func(faultfs.Op) { cancel() }}
		s, err := b.open(counter)
		must(t, err)
		defer s.Close()
		err = b.adoptOne(s, list[0], adopting{root: faultfs.New(b.disk.Root(), counter), ctx: ctx})
		if err != nil {
			b.refused(list, err, context.Canceled)
		}
		b.intact(list)
		b.sound(list[0].want(""))
		return err
	}
	if err := cancelled(0); err != nil {
		t.Fatal(err)
	}
	n, refused := counter.Count(), 0
	for at := 10; at < n; at += 5 {
		if cancelled(at) != nil {
			refused++
		}
	}
	if refused < n/10 {
		t.Errorf("%d of %d were refused", refused, n/5)
	}
}

func TestADirectoryFromWhichSomethingWasAdoptedKeepsItsTime(t *testing.T) {
	b := newBed(t, memfs.Options{})
	list := newPast(b)
	was := varve.Time{Sec: 1234567890, Nsec: 5}
	must(t, b.disk.Root().Set("old", &varve.Entry{MTime: was}, varve.MTime))
	s := b.store()
	defer s.Close()
	must(t, b.adoptOne(s, list[0], adopting{}))
	if now := b.lookup("old").MTime; now != was {
		t.Errorf("it was modified at %v, and now at %v", was, now)
	}
}

func TestAnAdoptedFileThatWasAlteredSinceIsReadForTheNextOne(t *testing.T) {
	b := newBed(t, memfs.Options{})
	src := storetest.NewTree()
	src.File("file", "content")
	list := b.past(src, src)
	read := &faultfs.Injector{Filter: func(op faultfs.Op) bool { return op.Method == "Reader.ReadAt" && op.Name == "old/day.1/file" }}
	s, err := b.open(read)
	must(t, err)
	defer s.Close()
	root := faultfs.New(b.disk.Root(), read)
	must(t, b.adoptOne(s, list[0], adopting{root: root}))
	must(t, b.dir("old/day.1").Set("file", &varve.Entry{Mode: 0o777}, varve.Mode)) // through the other name
	must(t, b.adoptOne(s, list[1], adopting{root: root}))
	if read.Count() == 0 {
		t.Error("it was not read")
	}
	if found := damage(t, s); len(found) != 1 || !strings.HasPrefix(found[0], b.snaps[0].Location) {
		t.Errorf("%q", found)
	}
}
