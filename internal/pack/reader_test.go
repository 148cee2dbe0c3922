package pack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"varve"
	"varve/internal/seal"
	"varve/internal/table"
)

// known reports whether err is one of those that a reader may return for bytes that are not a good pack.
func known(err error) bool {
	for _, target := range []error{varve.ErrDamaged, seal.ErrSigner, seal.ErrKey, seal.ErrVersion} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

func TestAPackIsReadFromItsBytesAlone(t *testing.T) {
	w := theWorld(t)
	p, contents := w.tinyPack(t)
	read, got, err := w.readAll(p.data, p.Name)
	if err != nil || !slices.EqualFunc(got, contents, bytes.Equal) {
		t.Fatalf("got %q, %v", got, err)
	}
	if diff := cmp.Diff(p.Pack, read); diff != "" {
		t.Errorf("the table that was put is not the one that is read:\n%s", diff)
	}
}

func TestAPackMadeByTheLetterOfTheFormatIsRead(t *testing.T) {
	w := theWorld(t)
	s := w.bundle(t, table.Content, []byte("one"), []byte("two")).Seal()
	s.Blob.Off = 5
	data := w.forge(t, forgery{
		blobs: append([]byte("a gap"), s.Data...),
		pack:  table.Pack{Domains: []table.Domain{s.Domain}, Blobs: []table.Blob{s.Blob}},
	})
	if _, got, err := w.readAll(data, table.Name{}); err != nil || !slices.EqualFunc(got, [][]byte{[]byte("one"), []byte("two")}, bytes.Equal) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestNoFlippedByteGoesUnseenOrYieldsWrongContent(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	p, contents := w.tinyPack(t)
	last := p.Blobs[len(p.Blobs)-1]
	tableAt := p.padding(t, w)
	for i := range p.data {
		p.data[i] ^= 1 << (i % 8)
		_, got, err := w.readAll(p.data, p.Name)
		p.data[i] ^= 1 << (i % 8)
		padding := i >= int(last.End()) && i < tableAt
		switch {
		case padding && (err != nil || !slices.EqualFunc(got, contents, bytes.Equal)):
			t.Fatalf("byte %d, of the padding: %q, %v", i, got, err)
		case !padding && !known(err):
			t.Fatalf("byte %d of %d: %q, %v", i, len(p.data), got, err)
		}
	}
}

// padding returns where the padding of p ends and its sealed table begins.
func (p *stored) padding(t *testing.T, w *world) int {
	t.Helper()
	f := footer(p.data[len(p.data)-footerSize:])
	at, err := w.reader.locate(f, w.writer.Session.Structure, int64(len(p.data)))
	if err != nil {
		t.Fatal(err)
	}
	return int(at)
}

func TestNoTruncationGoesUnseen(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	p, _ := w.tinyPack(t)
	for n := range p.data {
		if _, got, err := w.readAll(p.data[:n], p.Name); !known(err) {
			t.Fatalf("the first %d bytes of %d: %q, %v", n, len(p.data), got, err)
		}
	}
	for n := 0; n < len(p.data); n += 13 {
		if _, got, err := w.readAll(p.data[n+1:], p.Name); !known(err) {
			t.Fatalf("without the first %d bytes: %q, %v", n+1, got, err)
		}
	}
	for _, longer := range [][]byte{append([]byte{0}, p.data...), append(slices.Clone(p.data), 0)} {
		if _, got, err := w.readAll(longer, p.Name); !known(err) {
			t.Errorf("one byte more: %q, %v", got, err)
		}
	}
}

func TestAStorageThatTellsAWrongSizeIsNotBelieved(t *testing.T) {
	w := theWorld(t)
	p, _ := w.tinyPack(t)
	for _, size := range []int64{-1, 0, 1, footerSize, int64(len(p.data)) - 1, int64(len(p.data)) + 1, table.MaxPack, table.MaxPack + 1, 1 << 60} {
		if _, err := w.reader.Table(t.Context(), p.Name, size, In(p.data)); !errors.Is(err, varve.ErrDamaged) {
			t.Errorf("size %d: %v", size, err)
		}
	}
}

func TestLiesOfAClientAreFound(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	s := w.bundle(t, table.Content, []byte("content")).Seal()
	honest := table.Pack{Domains: []table.Domain{s.Domain}, Blobs: []table.Blob{s.Blob}}
	foreign := table.Pack{Domains: []table.Domain{{1, 2, 3}}, Blobs: []table.Blob{s.Blob}}
	stranger := seal.RandomClient().Signer()
	other := w.newWriter(t, w.client.Signer()).session()
	bomb, err := zstdBomb()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		f    forgery
		want error
	}{
		"nothing":                        {forgery{blobs: s.Data, pack: honest}, nil},
		"no blobs":                       {forgery{}, nil},
		"another domain":                 {forgery{blobs: s.Data, pack: foreign}, seal.ErrSigner},
		"another domain, admin":          {forgery{blobs: s.Data, pack: foreign, signer: w.admin()}, nil},
		"a stranger":                     {forgery{blobs: s.Data, pack: honest, signer: stranger}, seal.ErrSigner},
		"another vault":                  {forgery{vault: seal.VaultID{9}}, varve.ErrDamaged},
		"a blob into the table":          {forgery{blobs: s.Data[1:], pack: honest}, varve.ErrDamaged},
		"another session":                {forgery{pack: table.Pack{Sessions: [][]byte{other}}}, varve.ErrDamaged},
		"a session of generation 0":      {forgery{pack: table.Pack{Sessions: [][]byte{make([]byte, table.SessionSize)}}}, varve.ErrDamaged},
		"no session":                     {forgery{table: plainTable(0, 3, []byte{0, 0, 0})}, varve.ErrDamaged},
		"an empty table":                 {forgery{table: plainTable(0, 0, nil)}, varve.ErrDamaged},
		"a table of another length":      {forgery{table: plainTable(0, 4, []byte{0, 0, 0})}, varve.ErrDamaged},
		"a table of an unknown codec":    {forgery{table: plainTable(7, 3, []byte{0, 0, 0})}, varve.ErrDamaged},
		"a table that is not zstd":       {forgery{table: plainTable(1, 9, []byte("not zstd."))}, varve.ErrDamaged},
		"a table longer than allowed":    {forgery{table: plainTable(1, table.MaxTable+1, bomb)}, varve.ErrDamaged},
		"a table longer than it says":    {forgery{table: plainTable(1, 100, bomb)}, varve.ErrDamaged},
		"a table of zeros":               {forgery{table: plainTable(1, table.MaxTable, bomb)}, varve.ErrDamaged},
		"another hash":                   {forgery{other: true}, varve.ErrDamaged},
		"another place of the table":     {forgery{blobs: make([]byte, 10), at: 1}, varve.ErrDamaged},
		"a place beyond the end":         {forgery{at: 1 << 40}, varve.ErrDamaged},
		"a place and length that add up": {forgery{blobs: make([]byte, 10), at: 1<<64 - 10, length: 20}, varve.ErrDamaged},
		"no length":                      {forgery{length: 1}, varve.ErrDamaged},
		"a huge length":                  {forgery{length: 1<<32 - 1}, varve.ErrDamaged},
		"another magic":                  {forgery{magic: "varvex"}, varve.ErrDamaged},
		"a newer version":                {forgery{format: []byte{2, 1}}, seal.ErrVersion},
		"generation 0":                   {forgery{format: []byte{1, 0}}, varve.ErrDamaged},
		"an unknown generation":          {forgery{format: []byte{1, 9}}, seal.ErrKey},
		"another length of the footer":   {forgery{footer: 1333}, varve.ErrDamaged},
		"something spare":                {forgery{spare: 1}, varve.ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			data := w.forge(t, test.f)
			_, err := w.reader.Table(t.Context(), table.Name{}, int64(len(data)), In(data))
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

// zstdBomb returns as many zeros as a table may have, compressed.
func zstdBomb() ([]byte, error) {
	var c seal.Compressor
	codec, bomb := c.Compress(nil, make([]byte, table.MaxTable))
	if codec != seal.Zstd || len(bomb) > 64<<10 {
		return nil, fmt.Errorf("%d bytes are no bomb", len(bomb))
	}
	return bomb, nil
}

func TestASmallTableTakesOneRequestAndALargeOneTwo(t *testing.T) {
	w := theWorld(t)
	for blobs, want := range map[int]int{1: 1, 8: 2} {
		var s shelf
		b := w.writer.NewBuilder(s.put)
		for n := range blobs {
			bundle := w.writer.NewBundle(table.ContentGroup)
			for i := range BundleChunks {
				if err := bundle.Add(varve.ChunkID(noise(uint64(n*BundleChunks+i), 32)), table.Content, []byte{1}); err != nil {
					t.Fatal(err)
				}
			}
			if err := b.Add(t.Context(), bundle.Seal()); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
		p, requests := s.packs[0], 0
		read, err := w.reader.Table(t.Context(), p.Name, int64(p.Size), func(ctx context.Context, off, n int64) ([]byte, error) {
			requests++
			return In(p.data)(ctx, off, n)
		})
		if err != nil || requests != want || len(read.Blobs) != blobs {
			t.Errorf("%d blobs: %d requests, %v", blobs, requests, err)
		}
	}
}

func TestErrorsOfStorageArePassedOn(t *testing.T) {
	w := theWorld(t)
	no := errors.New("no")
	for fail := range 2 {
		data := w.forge(t, forgery{blobs: make([]byte, 100), table: plainTable(0, 70<<10, make([]byte, 70<<10))})
		n := 0
		_, err := w.reader.Table(t.Context(), table.Name{}, int64(len(data)), func(ctx context.Context, off, size int64) ([]byte, error) {
			n++
			if n > fail {
				return nil, no
			}
			return In(data)(ctx, off, size)
		})
		if !errors.Is(err, no) || errors.Is(err, varve.ErrDamaged) {
			t.Errorf("request %d fails: %v", fail+1, err)
		}
	}
}

func TestTheMaintenanceKeyOpensTablesAndStructureAlone(t *testing.T) {
	w := theWorld(t)
	p, _ := w.tinyPack(t)
	w.reader.Opener = seal.NewOpener(w.vault)
	if _, _, err := w.readAll(p.data, p.Name); !errors.Is(err, seal.ErrKey) {
		t.Errorf("without a key: %v", err)
	}
	w.reader.Opener.AddMaintenance(1, w.root.Maintenance())
	read, err := w.reader.Table(t.Context(), p.Name, int64(p.Size), In(p.data))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range read.Blobs {
		plain, err := w.reader.OpenBlob(nil, read.Sessions[b.Session], &b, p.data[b.Off:b.End()])
		if b.Group == table.ContentGroup && (!errors.Is(err, seal.ErrKey) || len(plain) > 0) {
			t.Errorf("content: %q, %v", plain, err)
		}
		if b.Group == table.StructureGroup && (err != nil || string(plain) != "a page") {
			t.Errorf("structure: %q, %v", plain, err)
		}
	}
}

func TestAClientReadsWhatItJustWroteWithoutAKey(t *testing.T) {
	w := theWorld(t)
	p, contents := w.tinyPack(t)
	w.reader.Opener = seal.NewOpener(w.vault)
	w.reader.Opener.AddSession(w.writer.Session)
	if _, got, err := w.readAll(p.data, p.Name); err != nil || !slices.EqualFunc(got, contents, bytes.Equal) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestASignerUnderAWrongIDIsRefused(t *testing.T) {
	w := theWorld(t)
	p, _ := w.tinyPack(t)
	w.reader.Signers = func(seal.SignerID) (Signer, bool) { return Signer{Public: w.admin().Public(), Admin: true}, true }
	if _, _, err := w.readAll(p.data, p.Name); !errors.Is(err, seal.ErrSigner) {
		t.Errorf("got %v", err)
	}
}
