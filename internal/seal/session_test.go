package seal

import (
	"encoding/hex"
	"errors"
	"sync"
	"testing"
)

func TestEnvelopeOpensInTheSameWayForEver(t *testing.T) {
	e, err := ParseEnvelope(golden(t, "envelope.hex"))
	if err != nil {
		t.Fatal(err)
	}
	o := openerOf(testRoot())
	content, errContent := o.Content(e)
	structure, errStructure := o.Structure(e)
	if errContent != nil || hex.EncodeToString(content[:]) != "425769d66fa9d1cfab160f4c3e026a2640f97fcf62812581911247364b52d9ad" {
		t.Errorf("content secret: %x, %v", content[:], errContent)
	}
	if errStructure != nil || hex.EncodeToString(structure[:]) != "83407dfebcf6cb16c2312bf41c49ea3616cb75ca875a3f366c412f52e4feb113" {
		t.Errorf("structure secret: %x, %v", structure[:], errStructure)
	}
	wantBytes(t, "envelope", e.AppendTo(nil), golden(t, "envelope.hex"))
}

func TestRootOpensWhatWasSealedForItsPublicKeys(t *testing.T) {
	s := newSession(t, testRoot())
	o := openerOf(testRoot())
	for range 2 { // the second time from memory
		if got, err := o.Content(&s.Envelope); err != nil || got != s.Content {
			t.Errorf("content: %v", err)
		}
		if got, err := o.Structure(&s.Envelope); err != nil || got != s.Structure {
			t.Errorf("structure: %v", err)
		}
	}
	if s.Content == s.Structure || newSession(t, testRoot()).Content == s.Content {
		t.Error("two secrets are the same")
	}
}

func TestMaintenanceKeyOpensStructureAndNoContent(t *testing.T) {
	s := newSession(t, testRoot())
	o := NewOpener(testVault())
	o.AddMaintenance(1, testRoot().Maintenance())
	if got, err := o.Structure(&s.Envelope); err != nil || got != s.Structure {
		t.Errorf("structure: %v", err)
	}
	_, err := o.Content(&s.Envelope)
	wantKey(t, err, RestoreKey, 1)
	// Nor does it where the encapsulation to R is passed off as one to M.
	swapped := s.Envelope
	swapped.M = swapped.R
	if got, err := o.Structure(&swapped); err == nil && (got == s.Content || got == s.Structure) {
		t.Error("the maintenance key opens what is for the restore key")
	}
}

func TestPutOnlyClientOpensOnlyItsSessionOfThisRun(t *testing.T) {
	earlier, now := newSession(t, testRoot()), newSession(t, testRoot())
	o := NewOpener(testVault())
	o.AddSession(now)
	if got, err := o.Content(&now.Envelope); err != nil || got != now.Content {
		t.Errorf("content of this run: %v", err)
	}
	if got, err := o.Structure(&now.Envelope); err != nil || got != now.Structure {
		t.Errorf("structure of this run: %v", err)
	}
	_, err := o.Content(&earlier.Envelope)
	wantKey(t, err, RestoreKey, 1)
	_, err = o.Structure(&earlier.Envelope)
	wantKey(t, err, MaintenanceKey, 1)
}

func TestKeyOfAnotherGenerationVaultOrRootOpensNothing(t *testing.T) {
	s := newSession(t, testRoot())
	o := openerOf(testRoot())
	later := s.Envelope
	later.Generation = 2
	_, err := o.Content(&later)
	wantKey(t, err, RestoreKey, 2)

	o.AddRoot(2, testRoot()) // the same key in another generation still gives another secret
	if got, _ := o.Content(&later); got == s.Content {
		t.Error("the generation is not part of the secret")
	}
	elsewhere := NewOpener(VaultID{1})
	elsewhere.AddRoot(1, testRoot())
	if got, _ := elsewhere.Content(&s.Envelope); got == s.Content {
		t.Error("the vault is not part of the secret")
	}
	if got, _ := openerOf(NewRoot()).Content(&s.Envelope); got == s.Content {
		t.Error("any root opens it")
	}
}

func wantKey(t *testing.T, err error, kind KeyKind, generation uint8) {
	t.Helper()
	var key *KeyError
	if !errors.Is(err, ErrKey) || !errors.As(err, &key) || key.Needs != kind || key.Generation != generation {
		t.Errorf("error %v, want that the %s key of generation %d is needed", err, kind, generation)
	}
}

func TestOpenerRemembersABoundedNumberOfSecrets(t *testing.T) {
	s := newSession(t, testRoot())
	o := openerOf(testRoot())
	for i := range openedMax + 10 {
		o.remember(&capsule{contentLabel, 1, [EncapsulationLen]byte{byte(i), byte(i >> 8)}}, Secret{1})
	}
	if len(o.opened) != openedMax {
		t.Errorf("%d secrets remembered", len(o.opened))
	}
	if got, err := o.Content(&s.Envelope); err != nil || got != s.Content {
		t.Errorf("content: %v", err)
	}
}

func TestOpenerServesManyAtOnce(t *testing.T) {
	sessions := []*Session{newSession(t, testRoot()), newSession(t, testRoot()), newSession(t, testRoot())}
	o := openerOf(testRoot())
	var wg sync.WaitGroup
	for i := range 30 {
		s := sessions[i%len(sessions)]
		wg.Go(func() {
			o.AddSession(sessions[0])
			if got, err := o.Content(&s.Envelope); err != nil || got != s.Content {
				t.Errorf("content: %v", err)
			}
		})
	}
	wg.Wait()
}

func TestBadEnvelopesAreRefused(t *testing.T) {
	good := newSession(t, testRoot()).Envelope.AppendTo(nil)
	zero := append([]byte{0}, good[1:]...)
	for what, data := range map[string][]byte{"none": nil, "short": good[1:], "long": append(good, 0), "generation 0": zero} {
		_, err := ParseEnvelope(data)
		wantDamaged(t, what, err)
	}
	o := openerOf(testRoot())
	_, err := o.StructureOf(1, good[:100])
	wantDamaged(t, "short encapsulation", err)
	_, err = o.StructureOf(1, make([]byte, EncapsulationLen)) // its X25519 part is a point of small order
	wantDamaged(t, "encapsulation of zeros", err)
}
