package seal

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"testing"

	"varve"
)

func sealedBody() []byte {
	return append([]byte(`{"snapshot":{"series":"home"}}`), prose(3000)...)
}

func TestGoldenObjectsOpenForEver(t *testing.T) {
	signers := signersOf(testClient().Signer(), testRoot().Maintenance().Signer())
	h, body, err := OpenObject(openerOf(testRoot()), golden(t, "snapshot.hex"), signers)
	if err != nil || h != (Header{KindSnapshot, 1, testClient().Domain()}) {
		t.Errorf("snapshot: %+v, %v", h, err)
	}
	wantBytes(t, "snapshot", body, sealedBody())
	h, body, err = OpenObject(openerOf(testRoot()), golden(t, "tomb.hex"), signers)
	if err != nil || h != (Header{KindTomb, 1, testRoot().Maintenance().Signer().ID()}) {
		t.Errorf("tomb: %+v, %v", h, err)
	}
	wantBytes(t, "tomb", body, []byte(`{"snap":"00"}`))
	again, err := SignObject(testVault(), 1, testRoot().Maintenance().Signer(), KindTomb, body)
	if err != nil {
		t.Fatal(err)
	}
	wantBytes(t, "tomb, written again", again, golden(t, "tomb.hex"))
}

func TestSealedObjectsComeBackAndTellNeitherContentNorLength(t *testing.T) {
	s, signer := newSession(t, testRoot()), testClient().Signer()
	for _, body := range [][]byte{nil, {1}, prose(100), noise(1015), noise(1016), noise(50_000), make([]byte, 1<<20)} {
		object, err := SealObject(testVault(), s, signer, KindIndex, body)
		if err != nil {
			t.Fatal(err)
		}
		padded := len(object) - headerLen - EncapsulationLen - Overhead - SignatureLen
		if padded < 1024 || Padme(padded) != padded {
			t.Errorf("%d bytes: padded to %d", len(body), padded)
		}
		if len(body) > 50 && bytes.Contains(object, body[:50]) {
			t.Errorf("%d bytes: stand in the open", len(body))
		}
		h, back, err := OpenObject(openerOf(testRoot()), object, signersOf(signer))
		if err != nil || h.Kind != KindIndex {
			t.Errorf("%d bytes: %+v, %v", len(body), h, err)
		}
		wantBytes(t, "body", back, body)
	}
}

func TestEveryChangeOfAnObjectIsFound(t *testing.T) {
	signers, o := signersOf(testClient().Signer(), testRoot().Maintenance().Signer()), openerOf(testRoot())
	for _, name := range []string{"snapshot.hex", "tomb.hex"} {
		object := golden(t, name)
		for i := range object {
			changed := bytes.Clone(object)
			changed[i] ^= 1 << (i % 8)
			_, body, err := OpenObject(o, changed, signers)
			if body != nil || !errors.Is(err, varve.ErrDamaged) && !errors.Is(err, ErrSigner) && !errors.Is(err, ErrVersion) {
				t.Fatalf("%s: byte %d changed: %v", name, i, err)
			}
		}
		for n := range object {
			if _, body, err := OpenObject(o, object[:n], signers); body != nil || !errors.Is(err, varve.ErrDamaged) {
				t.Fatalf("%s: first %d bytes: %v", name, n, err)
			}
		}
		_, _, err := OpenObject(o, append(bytes.Clone(object), 0), signers)
		wantDamaged(t, name+" and a byte more", err)
	}
}

func TestObjectsOfNewerProgramsAreNoDamage(t *testing.T) {
	object := golden(t, "tomb.hex")
	for what, at := range map[string]int{"kind": 5, "version": 6} {
		changed := bytes.Clone(object)
		changed[at] = 'z'
		_, err := ParseHeader(changed)
		if !errors.Is(err, ErrVersion) || errors.Is(err, varve.ErrDamaged) {
			t.Errorf("unknown %s: %v", what, err)
		}
	}
}

func TestWhatIsNoObjectIsDamage(t *testing.T) {
	object := golden(t, "tomb.hex")
	unborn := bytes.Clone(object)
	unborn[7] = 0
	for what, data := range map[string][]byte{
		"nothing": nil, "JSON": []byte("{}"), "other magic": append([]byte("w"), object[1:]...), "generation 0": unborn,
	} {
		_, err := ParseHeader(data)
		wantDamaged(t, what, err)
	}
	short, err := SignObject(testVault(), 1, testClient().Signer(), KindTomb, make([]byte, EncapsulationLen-1))
	if err != nil {
		t.Fatal(err)
	}
	message := append(signed(objectLabel, testVault(), nil), short[:len(short)-SignatureLen]...)
	message[len(message)-len(short)+SignatureLen+5] = byte(KindIndex)
	_, _, err = OpenObject(openerOf(testRoot()), finishObject(message, testClient().Signer()), signersOf(testClient().Signer()))
	wantDamaged(t, "sealed object without room for its encapsulation", err)
}

func TestObjectCountsOnlyFromASignerWhoMay(t *testing.T) {
	object := golden(t, "tomb.hex")
	admin := testRoot().Maintenance().Signer()
	_, _, err := VerifyObject(testVault(), object, signersOf(testClient().Signer()))
	if !errors.Is(err, ErrSigner) {
		t.Errorf("unknown signer: %v", err)
	}
	_, _, err = VerifyObject(testVault(), object, func(Header) (ed25519.PublicKey, bool) { return testClient().Signer().Public(), true })
	wantDamaged(t, "key of somebody else", err)
	_, _, err = VerifyObject(VaultID{}, object, signersOf(admin))
	wantDamaged(t, "another vault", err)
	_, _, err = VerifyObject(testVault(), object, signersOf(admin))
	if err != nil {
		t.Error(err)
	}
}

func TestSignatureOfASealedObjectIsCheckedWithoutAKey(t *testing.T) {
	h, body, err := VerifyObject(testVault(), golden(t, "snapshot.hex"), signersOf(testClient().Signer()))
	if err != nil || body != nil || h.Kind != KindSnapshot {
		t.Errorf("%+v, %d bytes, %v", h, len(body), err)
	}
	_, _, err = OpenObject(NewOpener(testVault()), golden(t, "snapshot.hex"), signersOf(testClient().Signer()))
	wantKey(t, err, MaintenanceKey, 1)
}

func TestSealedBodyOfOneKindIsNotTakenForAnother(t *testing.T) {
	s, signer := newSession(t, testRoot()), testClient().Signer()
	object, err := SealObject(testVault(), s, signer, KindIndex, []byte("body"))
	if err != nil {
		t.Fatal(err)
	}
	message := append(signed(objectLabel, testVault(), nil), object[:len(object)-SignatureLen]...)
	message[len(message)-len(object)+SignatureLen+5] = byte(KindSnapshot)
	_, body, err := OpenObject(openerOf(testRoot()), finishObject(message, signer), signersOf(signer))
	wantDamaged(t, "index signed as a snapshot", err)
	if body != nil {
		t.Error("body nevertheless")
	}
}

func TestSealedBodiesThatLieAreRefused(t *testing.T) {
	frame := func(n uint32, codec byte, plainLen uint32, size int) []byte {
		plain := binary.LittleEndian.AppendUint32(nil, n)
		plain = binary.LittleEndian.AppendUint32(append(plain, codec), plainLen)
		return append(plain, make([]byte, size-len(plain))...)
	}
	dirty := frame(10, 0, 10, 1024)
	dirty[1023] = 1
	_, compressed := new(Compressor).Compress(nil, make([]byte, 1<<20))
	bomb := append(frame(uint32(len(compressed)), 1, 10, frameLen), compressed...)
	bomb = append(bomb, make([]byte, 1024-len(bomb))...)
	for what, plain := range map[string][]byte{
		"too short":               frame(10, 0, 10, 1023),
		"nothing":                 nil,
		"longer than it is":       frame(1016, 0, 1016, 1024),
		"longest":                 frame(1<<32-1, 0, 1<<32-1, 1024),
		"plain length above all":  frame(10, 1, MaxObject+1, 1024),
		"raw of another length":   frame(10, 0, 11, 1024),
		"padding too long":        frame(10, 0, 10, 1088),
		"padding not of zeros":    dirty,
		"codec unknown":           frame(10, 9, 10, 1024),
		"more than it announces":  bomb,
		"compressed from nothing": frame(0, 1, 0, 1024),
	} {
		_, err := openerOf(testRoot()).unpad(plain, MaxObject)
		wantDamaged(t, what, err)
	}
	if body, err := openerOf(testRoot()).unpad(frame(10, 0, 10, 1024), MaxObject); err != nil || len(body) != 10 {
		t.Errorf("honest body: %d bytes, %v", len(body), err)
	}
}

func TestObjectsOfTheWrongKindOrTooLongAreNotMade(t *testing.T) {
	s, signer := newSession(t, testRoot()), testClient().Signer()
	for what, try := range map[string]func() ([]byte, error){
		"sealed tomb":    func() ([]byte, error) { return SealObject(testVault(), s, signer, KindTomb, nil) },
		"sealed blob":    func() ([]byte, error) { return SealObject(testVault(), s, signer, KindContent, nil) },
		"plain snapshot": func() ([]byte, error) { return SignObject(testVault(), 1, signer, KindSnapshot, nil) },
		"plain blob":     func() ([]byte, error) { return SignObject(testVault(), 1, signer, KindContent, nil) },
		"endless tomb":   func() ([]byte, error) { return SignObject(testVault(), 1, signer, KindTomb, make([]byte, MaxObject)) },
		"endless snapshot": func() ([]byte, error) {
			return SealObject(testVault(), s, signer, KindSnapshot, make([]byte, MaxObject+1))
		},
		"generation 0 tomb": func() ([]byte, error) { return SignObject(testVault(), 0, signer, KindTomb, nil) },
	} {
		if object, err := try(); err == nil {
			t.Errorf("%s: %d bytes", what, len(object))
		}
	}
}

func TestLongestObjectsFitTheirLimits(t *testing.T) {
	signer := testClient().Signer()
	object, err := SignObject(testVault(), 1, signer, KindCondemn, make([]byte, KindCondemn.maxBody()))
	if err != nil || len(object) != MaxObject {
		t.Fatalf("%d bytes, %v", len(object), err)
	}
	if _, err := ParseHeader(object); err != nil {
		t.Error(err)
	}
	_, err = ParseHeader(append(object, 0))
	wantDamaged(t, "a byte more", err)
}
