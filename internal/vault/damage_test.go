package vault

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"varve"
	"varve/internal/backend/mem"
	"varve/internal/storetest"
)

// readAll returns the content of all files of a view, as far as it can be read.
func readAll(v varve.View) (map[string]string, error) {
	files := map[string]string{}
	for e, err := range v.Entries(context.Background()) {
		if err != nil {
			return files, err
		}
		if e.Kind != varve.Regular {
			continue
		}
		f, err := v.Open(context.Background(), e)
		if err != nil {
			return files, err
		}
		data, err := io.ReadAll(f)
		f.Close()
		if err != nil {
			return files, err
		}
		files[e.Path] = string(data)
	}
	return files, nil
}

// fullVault makes a vault that holds every kind of object, and returns what is in its one snapshot.
func fullVault(t *testing.T) (*ground, map[string]string) {
	t.Helper()
	ctx := context.Background()
	g := newGround(t)
	s, err := g.open(g.key)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	first, err := s.Save(ctx, storetest.Sample(), varve.SaveOptions{Series: "s"})
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Save(ctx, storetest.Sample(), varve.SaveOptions{Series: "s"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddClient(ctx, "web"); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveKey(ctx, "web"); err != nil {
		t.Fatal(err)
	}
	if err := s.Forget(ctx, second.ID); err != nil {
		t.Fatal(err)
	}
	v, err := s.View(ctx, first.ID)
	if err != nil {
		t.Fatal(err)
	}
	files, err := readAll(v)
	if err != nil {
		t.Fatal(err)
	}
	return g, files
}

// notices opens the vault in b as a machine that knows nothing of it, reads everything and reports whether anything was said to be wrong. It
// tells t of bytes that are not those in want.
func notices(t *testing.T, what string, b varve.Backend, g *ground, want map[string]string) bool {
	t.Helper()
	ctx := context.Background()
	s, err := Open(ctx, unclosed{b}, Credentials{Key: &g.key}, Options{})
	if err != nil {
		return true
	}
	defer s.Close()
	list, err := s.Snapshots(ctx)
	if err != nil {
		return true
	}
	noticed := len(list) == 0
	for _, snap := range list {
		v, err := s.View(ctx, snap.ID)
		if err != nil {
			noticed = true
			continue
		}
		files, err := readAll(v)
		noticed = noticed || err != nil
		for path, data := range files {
			if want[path] != data {
				t.Errorf("%s: wrong bytes in %s", what, path)
			}
		}
	}
	r, err := s.Verify(ctx, varve.VerifyOptions{})
	return noticed || err != nil || r.Damage > 0
}

func TestEveryDamageIsNoticedAndNoWrongByteIsRead(t *testing.T) {
	g, want := fullVault(t)
	m := g.backend.(*mem.Mem)
	var names []string
	for o, err := range m.List(context.Background(), "") {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, o.Name)
	}
	tries := 150
	if os.Getenv("VARVE_TEST_STRICT") == "1" && !testing.Short() {
		tries = 2500
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range tries {
		name := names[rng.IntN(len(names))]
		data, err := m.Get(context.Background(), name, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		bad, what := damage(rng, data, m, names)
		if bytes.Equal(bad, data) {
			continue
		}
		c := m.Clone()
		c.Set(name, bad)
		if what = fmt.Sprintf("%s %s", name, what); !notices(t, what, c, g, want) {
			t.Errorf("%s: not noticed", what)
		}
	}
}

// damage returns data with a byte changed, or cut short, or another object in its place.
func damage(rng *rand.Rand, data []byte, m *mem.Mem, names []string) ([]byte, string) {
	bad := bytes.Clone(data)
	switch rng.IntN(3) {
	case 0:
		at := rng.IntN(len(bad))
		bad[at] ^= byte(1 + rng.IntN(255))
		return bad, fmt.Sprintf("byte %d changed", at)
	case 1:
		n := rng.IntN(len(bad))
		return bad[:n], fmt.Sprintf("cut to %d bytes", n)
	}
	other := names[rng.IntN(len(names))]
	bad, err := m.Get(context.Background(), other, 0, -1)
	if err != nil {
		panic(err)
	}
	return bad, "replaced by " + other
}

func TestEveryLostObjectIsNoticedOrCostsNothing(t *testing.T) {
	g, want := fullVault(t)
	m := g.backend.(*mem.Mem)
	for o, err := range m.List(context.Background(), "") {
		if err != nil {
			t.Fatal(err)
		}
		c := m.Clone()
		if err := c.Delete(context.Background(), o.Name); err != nil {
			t.Fatal(err)
		}
		if notices(t, o.Name, c, g, want) {
			continue
		}
		switch o.Name[:4] {
		case "inde", "keys": // a hint; somebody else's key
		case "data":
			if o.Size != reserveSize {
				t.Errorf("%s is missing, and nobody says so", o.Name)
			}
		case "snap": // the tomb, or what it stands for: nothing that anybody has is lost
		default:
			t.Errorf("%s is missing, and nobody says so", o.Name)
		}
	}
}
