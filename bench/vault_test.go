package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Programs that are only compared with may be missing everywhere: some cannot be had from the usual places.
func TestOtherVaultsGoThroughAllSteps(t *testing.T) {
	for _, test := range []struct {
		program string
		peer    peer
	}{{"restic", restic{}}, {"borg", newPeer("borg", "")}, {"kopia", newPeer("kopia-zstd", "")}} {
		t.Run(test.program, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(test.program); err != nil {
				t.Skip(err)
			}
			need(t, "env")
			if testing.Short() {
				t.Skip("takes seconds, with keys derived from passwords again and again")
			}
			r := testRunner(t, test.peer)
			r.opts.keep = true
			res, err := r.set(t.Context(), unchanging())
			if err != nil {
				t.Fatal(err)
			}
			for _, st := range res.set.steps() {
				if m, ok := res.medians(st, test.peer.name()); !ok || m[wall] <= 0 {
					t.Errorf("%s: measured %v", st, m)
				}
			}
			for _, note := range res.notes {
				t.Error(note)
			}
			source := fingerprint(t, filepath.Join(r.dir, "source-A", "data"))
			if fingerprint(t, filepath.Join(r.dir, "A-1-"+test.peer.name(), "restored")) != source {
				t.Error("something else than the source was restored")
			}
		})
	}
}

func TestSnapshotsOfKopiaAreTakenByTime(t *testing.T) {
	all, err := parseKopia([]byte(`[{"id":"b","startTime":"2026-02-01T00:00:00.5Z","rootEntry":{"obj":"k2"}},
		{"id":"a","startTime":"2026-02-01T00:00:00Z","rootEntry":{"name":"data","obj":"k1"}}]`))
	if err != nil || len(all) != 2 || all[0].ID != "a" || all[1].Root.Object != "k2" {
		t.Errorf("got %v, %v", all, err)
	}
	for _, bad := range []string{"", "[]", "{}", "[{}]", `[{"id":"a","startTime":"2026-02-01T00:00:00Z"}]`} {
		if all, err := parseKopia([]byte(bad)); err == nil {
			t.Errorf("%q gave %v", bad, all)
		}
	}
}

func TestEveryNameIsAProgramComparedWithVarveOfItsKind(t *testing.T) {
	for _, name := range peerNames() {
		if got := newPeer(name, "varve").name(); got != name {
			t.Errorf("%s gives %s", name, got)
		}
	}
	for _, name := range farNames() {
		if got := newFarPeer(name, "varve", line{config: "config"}).name(); got != name {
			t.Errorf("%s gives %s", name, got)
		}
	}
	for name, want := range map[string]string{
		"rsync": "varve", "varve": "varve", "restic": "varve-vault", "kopia-zstd": "varve-vault", best: "varve-vault", "varve-ssh": "varve-ssh",
		"rsync-ssh": "varve-sftp varve-ssh varve-vault-sftp varve-vault-ssh", "restic-sftp": "varve-vault-sftp varve-vault-ssh",
	} {
		if got := strings.Join(oursBeside(name), " "); got != want {
			t.Errorf("%s is compared with %s", name, got)
		}
	}
}

// unchanging is smallSet without a change: a step less.
func unchanging() set {
	s := smallSet()
	s.change = nil
	return s
}
