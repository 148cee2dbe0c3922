package job

import (
	"context"
	"errors"
	"strings"
	"testing"

	"varve"
	"varve/internal/config"
	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/vault"
)

func TestWhatOneStoreCannotTakeAnotherTakesAndNothingIsForgotten(t *testing.T) {
	b := newBed(t, twoStores)
	past(t, b)
	b.config.Stores[1].Keep.Last = 2
	errs := []error{disk.ErrNoSpace}
	b.open = func(s *config.Store, p *Place) (*Place, error) {
		if s.Name == "usb" {
			p.Store = flaky{p.Store, &errs}
		}
		return p, nil
	}
	usb, box := len(b.list("usb")), len(b.list("box"))
	r := b.run()
	b.want(r, history.Success, usb, box+1)
	if r.Store != "box" || !errors.Is(r.Stores[0].Err, disk.ErrNoSpace) || r.Event() != config.Failure || !errors.Is(r.Stores[1].Spared, errAiling) {
		t.Errorf("%s, %v, %s, %v", r.Store, r.Err, r.Event(), r.Stores[1].Spared)
	}
	if r = b.run(); r.Err != nil || r.Store != "usb" || len(r.Stores[0].Copied) != 1 || len(r.Stores[1].Forgotten) == 0 {
		t.Errorf("the next run: %v, %+v", r.Err, r.Stores)
	}
}

func TestWhatIsWrongWithTheSourceIsNotTriedInEveryStore(t *testing.T) {
	b := newBed(t, twoStores+"[[job.home.command]]\npath = \"/dump\"\nrun = \"exit 3\"\n")
	if r := b.run(); r.Result != history.Failed || r.Attempts != 1 || !errors.Is(r.Err, ErrCommand) {
		t.Errorf("%s, %d attempts, %v", r.Result, r.Attempts, r.Err)
	}
}

func TestWhileDamageIsKnownNothingIsForgotten(t *testing.T) {
	b := newBed(t, twoStores)
	past(t, b)
	lease, err := b.deps.History.LockStore("usb")
	must(t, err)
	lease.Record.Verify = &history.Verify{Time: b.now, Damage: 1}
	must(t, errors.Join(lease.Save(), lease.Close()))
	if r := b.run(); r.Err != nil || !errors.Is(r.Stores[0].Spared, errDamage) || len(b.list("usb")) != 6 {
		t.Errorf("%v, %v, %d snapshots", r.Err, r.Stores[0].Spared, len(b.list("usb")))
	}
}

// mute is a store whose key adds and reads nothing.
type mute struct{ varve.Store }

func (mute) Snapshots(context.Context) ([]varve.Snapshot, error) { return nil, vault.ErrKey }
func (mute) View(context.Context, varve.SnapshotID) (varve.View, error) {
	return nil, vault.ErrKey
}
func (mute) Forget(context.Context, ...varve.SnapshotID) error { return vault.ErrKey }
func (mute) Verify(context.Context, varve.VerifyOptions) (varve.VerifyReport, error) {
	return varve.VerifyReport{}, vault.ErrKey
}

func TestAKeyThatOnlyAddsSufficesForAJob(t *testing.T) {
	for name, blind := range map[string][]string{"the first store": {"usb"}, "the other store": {"box"}, "both": {"usb", "box"}} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, strings.ReplaceAll(twoStores, `{ every = "never" }`, `{ every = "1h" }`))
			b.open = func(s *config.Store, p *Place) (*Place, error) {
				for _, one := range blind {
					if one == s.Name {
						p.Store = mute{p.Store}
					}
				}
				return p, nil
			}
			for i := 1; i <= 3; i++ {
				r := b.run()
				if r.Err != nil || r.Result != history.Success {
					t.Fatalf("%s, %v", r.Result, r.Err)
				}
				if usb, box := len(b.list("usb")), len(b.list("box")); box != i || usb != i && name != "the other store" {
					t.Errorf("%d and %d snapshots after %d runs", usb, box, i)
				}
			}
			for _, l := range Status(b.deps, nil) {
				if l.Level != Good {
					t.Errorf("%s: %q", l.Store, l.Why)
				}
			}
		})
	}
}

func TestAStoreThatCannotBeReadGetsWhatItMissed(t *testing.T) {
	b := newBed(t, strings.Replace(twoStores, `place = "/box"`, "place = \"/box\"\nmounted = \"/box\"", 1))
	b.config.Stores[0].Keep.Last = 9
	b.open = func(s *config.Store, p *Place) (*Place, error) {
		if s.Name == "box" {
			p.Store = mute{p.Store}
		}
		return p, nil
	}
	b.mounted["/box"] = true
	b.run()
	b.mounted["/box"] = false
	b.run()
	b.run()
	b.mounted["/box"] = true
	b.want(b.run(), history.Success, 4, 4)
	b.want(b.run(), history.Success, 5, 5)
}

func TestWhileSomebodyMustLookNothingIsPruned(t *testing.T) {
	b := newBed(t, twoStores)
	b.config.Stores[0].Prune.Every = 1
	pruned := 0
	b.open = func(_ *config.Store, p *Place) (*Place, error) {
		p.Prune = func(context.Context, vault.PruneOptions) (vault.PruneReport, error) {
			pruned++
			return vault.PruneReport{}, nil
		}
		return p, nil
	}
	b.config.Stores[1].Prune.Every = 0
	b.run()
	b.run()
	before := pruned
	dir := mustDir(t, b, "src")
	must(t, errors.Join(dir.Remove("a"), dir.Remove("b")))
	for range 2 {
		if r := b.run(); r.Result != history.Suspect {
			t.Fatalf("%s, %v", r.Result, r.Err)
		}
	}
	if before == 0 || pruned != before {
		t.Errorf("pruned %d times before and %d times in all", before, pruned)
	}
	b.write("src/a", "alpha")
	b.write("src/b", "beta")
	if r := b.run(); r.Err != nil || pruned == before {
		t.Errorf("%v, pruned %d times", r.Err, pruned)
	}
}

func TestRoomThatCannotBeFoundOutIsAFaultOfTheConfiguration(t *testing.T) {
	conf := func(text string) *config.Config {
		c, err := config.Parse("test.toml", []byte(text+"\n[job.home]\nsources = [\"/src\"]\nstores = [\"far\"]\n"), config.Options{})
		must(t, err)
		return c
	}
	for text, ok := range map[string]bool{
		"[store.far]\nplace = \"/here\"\nmax-size = \"1G\"\nkeep-free = \"1G\"":                 true,
		"[store.far]\nplace = \"h:x\"":                                                          true,
		"[store.far]\nplace = \"h:x\"\nmax-size = \"1G\"":                                       false,
		"[store.far]\nplace = \"h:x\"\nkeep-free = \"5%\"":                                      false,
		"[store.far]\nplace = \"h:x\"\nkind = \"vault\"\nmax-size = \"1G\"\nkeep-free = \"5%\"": true,
		"[store.far]\nplace = \"ssh://h/x\"\nkind = \"vault\"\nmax-size = \"1G\"":               true,
		"[store.far]\nplace = \"ssh://h/x\"\nkind = \"vault\"\nkeep-free = \"1G\"":              false,
		"[store.far]\nplace = \"ssh://h/x\"\n[defaults.job]\nguard = { min-free = \"1G\" }":     false,
		"[store.far]\nplace = \"sftp://h/x\"\n[defaults.job]\nguard = { min-free = \"1G\" }":    true,
	} {
		if err := CheckRoom(conf(text)); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}
