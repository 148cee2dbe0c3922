package doctor

import (
	"slices"
	"strings"

	"varve/internal/disk"
)

// hardName is a name that some file systems refuse or change.
type hardName struct {
	name  string
	words string
	// needed says that varve itself uses such names.
	needed bool
}

// hardNames are tried.
func hardNames() []hardName {
	return []hardName{
		{".varve", "that begin with a dot", true},
		{"a%2Fb_c~0123", "with % and ~", true},
		{strings.Repeat("0123456789abcdef", 4), "of 64 characters", true},
		{strings.Repeat("n", 255), "of 255 bytes", false},
		{"a\nb", "with control characters", false},
		{"\xff\xfe", "that are not UTF-8", false},
		{"dot.", "that end in a dot or a space", false},
		{"a:b?*\"<>|", "with : ? * \" < > |", false},
		{`a\b`, "with a backslash", false},
		{"aux", "that Windows keeps to itself", false},
	}
}

// names tries names that some file systems refuse or change.
func (b *bench) names() {
	var refused, needed []string
	refuse := func(n hardName) {
		if n.needed {
			needed = append(needed, n.words)
		} else {
			refused = append(refused, n.words)
		}
	}
	var made []hardName
	for _, n := range hardNames() {
		if !b.e.begin("names") {
			return
		}
		switch err := b.create(n.name, nil); {
		case err == nil:
			made = append(made, n)
		case b.failed(err):
			return
		default:
			refuse(n)
		}
	}
	listed, err := b.dir.Names()
	if err != nil {
		b.failed(err)
		return
	}
	for _, n := range made {
		if !slices.ContainsFunc(listed, func(have disk.Name) bool { return have.Name == n.name }) {
			refuse(n)
		}
	}
	b.tellNames(refused, needed)
}

func (b *bench) tellNames(refused, needed []string) {
	if len(needed) > 0 {
		b.e.wrong("names", "use another file system for a store", "names that varve needs cannot be made: those %s", strings.Join(needed, ", those "))
	}
	if len(refused) > 0 {
		b.e.warn("names", vaultHere(b.p), "a tree cannot hold files here with names %s", strings.Join(refused, ", "))
	}
	if len(refused)+len(needed) == 0 {
		b.e.good("names", "any name can be made, and stays as it is")
	}
}

// folding tries whether names are the same that differ in case, or in how Unicode spells them.
func (b *bench) folding() {
	var same []string
	for _, pair := range [...]struct{ name, other, words string }{
		{"Varve-Case", "vARVE-cASE", "in case"},
		{"varve-\u00e9", "varve-e\u0301", "in how Unicode spells a letter"},
	} {
		if err := b.create(pair.name, nil); err != nil {
			if b.failed(err) {
				return
			}
			continue // which names are refused is told elsewhere
		}
		if _, err := b.dir.Lookup(pair.other); err == nil {
			same = append(same, pair.words)
		} else if b.failed(err) {
			return
		}
	}
	if len(same) > 0 {
		b.e.warn("case and Unicode", vaultHere(b.p), "names that differ %s only are one: a tree cannot hold both", strings.Join(same, ", or "))
		return
	}
	b.e.good("case and Unicode", "names that differ at all are different")
}
