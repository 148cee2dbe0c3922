package sftp

import (
	"testing"

	"varve"
)

func TestKindsComeFromTheMode(t *testing.T) {
	for mode, want := range map[uint32]varve.Kind{
		0o100644: varve.Regular, 0o040755: varve.Dir, 0o120777: varve.Symlink, 0o010600: varve.FIFO, 0o140600: varve.Socket,
		0o020600: varve.CharDevice, 0o060600: varve.BlockDevice, 0o644: 0, 0o170644: 0,
	} {
		if got := (Attrs{Fields: Mode, Mode: mode}).Kind(); got != want {
			t.Errorf("%o is a %v, want %v", mode, got, want)
		}
	}
	if got := (Attrs{Mode: 0o100644}).Kind(); got != 0 {
		t.Errorf("a mode that was not sent makes a %v", got)
	}
}

func TestAttributesTravelUnchanged(t *testing.T) {
	for fields := range Fields(16) {
		want := Attrs{Fields: fields, Size: 1 << 40, UID: 1, GID: 1<<32 - 2, Mode: 0o107777, ATime: 5, MTime: 1<<32 - 1}
		d := decoder{data: appendAttrs(nil, want)}
		got := d.attrs()
		if d.err != nil || len(d.data) != 0 || got.Fields != fields {
			t.Fatalf("%04b: %+v, %v", fields, got, d.err)
		}
		again := decoder{data: appendAttrs(nil, got)}
		if again.attrs() != got {
			t.Errorf("%04b: %+v", fields, got)
		}
		if got.Has(Size) && got.Size != want.Size || got.Has(Owner) && got.GID != want.GID || got.Has(Mode) && got.Mode != want.Mode ||
			got.Has(Times) && got.MTime != want.MTime {
			t.Errorf("%04b: %+v", fields, got)
		}
	}
}
