package floors

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// importFaults returns what is wrong with the imports of this module's own packages.
func importFaults(h *house) []string {
	var faults []string
	for _, dir := range h.dirs() {
		imports := h.imports(dir)
		for _, imported := range slices.Sorted(maps.Keys(imports)) {
			if fault := importFault(h, dir, imported); fault != "" {
				faults = append(faults, imports[imported]+": "+fault)
			}
		}
		if _, known := floorOf[dir]; !known && !slices.Contains(beside, dir) {
			faults = append(faults, fmt.Sprintf("package %s: decide which floor it belongs to, and enter it in internal/floors", dir))
		}
	}
	return faults
}

// importFault says what is wrong with one import; empty where nothing is.
func importFault(h *house, dir, imported string) string {
	target, own := h.own(imported)
	switch {
	case !own:
		return libraryFault(h, dir, imported)
	case slices.Contains(beside, target):
		return fmt.Sprintf("imports %s, which stands beside the house", imported)
	case slices.Contains(beside, dir):
		return fmt.Sprintf("imports %s, but the package stands beside the house", imported)
	case slices.Contains(pure, dir) && target != "":
		return fmt.Sprintf("imports %s, but the package has the standard library and the vocabulary alone", imported)
	}
	from, fromKnown := floorOf[dir]
	to, toKnown := floorOf[target]
	if fromKnown && toKnown && to >= from {
		return fmt.Sprintf("floor %d imports %s on floor %d; only lower floors are allowed", from, imported, to)
	}
	return ""
}

// libraryFault says what is wrong with an import from outside of this module.
func libraryFault(h *house, dir, imported string) string {
	switch {
	case h.thirdParty(imported) == "":
		return ""
	case slices.Contains(pure, dir):
		return fmt.Sprintf("imports %s, but the package has the standard library and the vocabulary alone", imported)
	case slices.Contains(beside, dir):
		return fmt.Sprintf("imports %s, but the package stands beside the house and has the standard library alone", imported)
	}
	return ""
}

// moduleFaults returns the third-party modules that more than one package imports.
func moduleFaults(h *house) []string {
	users := map[string][]string{}
	for _, dir := range h.dirs() {
		for imported := range h.imports(dir) {
			module := h.thirdParty(imported)
			if module != "" && !slices.Contains(users[module], dir) {
				users[module] = append(users[module], dir)
			}
		}
	}
	var faults []string
	for _, module := range slices.Sorted(maps.Keys(users)) {
		if len(users[module]) > 1 {
			faults = append(faults, fmt.Sprintf("module %s is imported by %s; one package must hide it from the others",
				module, strings.Join(users[module], ", ")))
		}
	}
	return faults
}

// unfinished finds the words that stand for work put off. Written in two parts so that it does not find itself.
var unfinished = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME)\b`)

// ruleFaults returns the breaches of the house rules that can be seen in a file.
func ruleFaults(h *house) []string {
	var faults []string
	for _, dir := range slices.Sorted(maps.Keys(h.packages)) {
		for _, f := range h.packages[dir] {
			faults = append(faults, fileFaults(f)...)
		}
		if slices.Contains(junkDrawers, path.Base(dir)) {
			faults = append(faults, fmt.Sprintf("package %s: the name says nothing", dir))
		}
	}
	lines := 0
	for _, f := range h.packages[""] {
		if !f.test {
			lines += f.lines
		}
	}
	if lines > vocabularyLines {
		faults = append(faults, fmt.Sprintf("the vocabulary has %d lines; %d are allowed", lines, vocabularyLines))
	}
	return faults
}

func fileFaults(f file) []string {
	var faults []string
	if f.inits > 0 {
		faults = append(faults, f.path+": has a function init")
	}
	if slices.Contains(junkDrawers, strings.TrimSuffix(f.pkg, "_test")) {
		faults = append(faults, fmt.Sprintf("%s: package %s: the name says nothing", f.path, f.pkg))
	}
	for _, at := range unfinished.FindAllIndex(f.text, -1) {
		line := 1 + bytes.Count(f.text[:at[0]], []byte("\n"))
		faults = append(faults, fmt.Sprintf("%s:%d: says %s; do it, or open an issue", f.path, line, f.text[at[0]:at[1]]))
	}
	return faults
}
