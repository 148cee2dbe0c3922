package pack

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"varve"
	"varve/internal/digest"
	"varve/internal/seal"
	"varve/internal/table"
)

// world is a vault with one client and its admin.
type world struct {
	vault  seal.VaultID
	root   *seal.Root
	client *seal.Client
	key    *digest.IDKey
	writer *Writer
	reader *Reader
}

// theWorld is made of fixed secrets; its session is random.
func theWorld(t testing.TB) *world {
	t.Helper()
	root := seal.OpenRoot(seal.Secret{1})
	w := &world{vault: seal.VaultID{2}, root: root, client: root.Client()}
	w.key = digest.NewIDKey(w.client.ChunkIDKey())
	opener := seal.NewOpener(w.vault)
	opener.AddRoot(1, root)
	w.reader = &Reader{Opener: opener, Signers: w.signers, Compressor: new(seal.Compressor)}
	w.writer = w.newWriter(t, w.client.Signer())
	return w
}

// newWriter returns a writer with a session of its own.
func (w *world) newWriter(t testing.TB, signer *seal.Signer) *Writer {
	t.Helper()
	session, err := seal.NewSession(w.vault, w.root.Publics(1))
	if err != nil {
		t.Fatal(err)
	}
	return &Writer{
		Vault: w.vault, Session: session, Signer: signer, Domain: table.Domain(w.client.Domain()), Compressor: new(seal.Compressor),
	}
}

func (w *world) admin() *seal.Signer { return w.root.Maintenance().Signer() }

func (w *world) signers(id seal.SignerID) (Signer, bool) {
	switch id {
	case w.client.Domain():
		return Signer{Public: w.client.Signer().Public()}, true
	case w.admin().ID():
		return Signer{Public: w.admin().Public(), Admin: true}, true
	}
	return Signer{}, false
}

// bundle returns a bundle that holds contents as chunks of a class.
func (w *world) bundle(t testing.TB, class table.Class, contents ...[]byte) *Bundle {
	t.Helper()
	b := w.writer.NewBundle(class.Group())
	for _, data := range contents {
		if err := b.Add(w.id(class, data), class, data); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func (w *world) id(class table.Class, data []byte) varve.ChunkID {
	return w.key.ID(byte(class), digest.Sum(data))
}

// stored is one pack that was put.
type stored struct {
	table.Pack
	data []byte
}

// shelf keeps the packs that are put.
type shelf struct {
	mu    sync.Mutex
	packs []stored
}

func (s *shelf) put(_ context.Context, p table.Pack, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.packs = append(s.packs, stored{p, slices.Clone(data)})
	return nil
}

// tinyPack returns a pack of two small blobs, one of content and one of structure, and what their chunks hold.
func (w *world) tinyPack(t testing.TB) (stored, [][]byte) {
	t.Helper()
	var s shelf
	contents := [][]byte{[]byte("first"), noise(1, 40), make([]byte, 900), []byte("a page")}
	b := w.writer.NewBuilder(s.put)
	for _, bundle := range []*Bundle{w.bundle(t, table.Content, contents[:3]...), w.bundle(t, table.Page, contents[3])} {
		if err := b.Add(t.Context(), bundle.Seal()); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s.packs[0], contents
}

// noise returns n bytes that do not compress, the same for the same seed.
func noise(seed uint64, n int) []byte {
	data := make([]byte, n)
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	rand.NewChaCha8(key).Read(data)
	return data
}

// readAll reads a pack with nothing but its bytes, and returns the plaintexts of its chunks.
func (w *world) readAll(data []byte, name table.Name) (table.Pack, [][]byte, error) {
	p, err := w.reader.Table(context.Background(), name, int64(len(data)), In(data))
	if err != nil {
		return p, nil, err
	}
	var contents [][]byte
	for _, b := range p.Blobs {
		plain, err := w.reader.OpenBlob(nil, p.Sessions[b.Session], &b, data[b.Off:b.End()])
		if err != nil {
			return p, nil, err
		}
		for piece, err := range Chunks(plain, &b, w.key) {
			if err != nil {
				return p, nil, err
			}
			contents = append(contents, piece.Data)
		}
	}
	return p, contents, nil
}
