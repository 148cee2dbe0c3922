package floors

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// house is what is known of a module's Go files.
type house struct {
	module  string   // the module's own path
	modules []string // the paths of the modules that go.mod requires
	// packages maps a directory relative to the module, "" for its root, to its files. Build constraints do not matter: a file
	// for another system counts.
	packages map[string][]file
}

// file is one Go file.
type file struct {
	path    string
	test    bool
	pkg     string // the name in its package clause
	imports []string
	lines   int
	text    []byte
	inits   int // functions named init
}

// readHouse reads all Go files of the module at the root of fsys. Like the go command it leaves out testdata and what begins with
// "." or "_".
func readHouse(fsys fs.FS) (*house, error) {
	h := &house{packages: map[string][]file{}}
	if err := h.readModule(fsys); err != nil {
		return nil, err
	}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != "." && ignored(d.Name()):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		return h.readFile(fsys, name)
	})
	return h, err
}

func ignored(name string) bool {
	return name == "testdata" || name == "vendor" || name[0] == '.' || name[0] == '_'
}

// readModule reads go.mod: the line "module PATH" and the lines that end in a version.
func (h *house) readModule(fsys fs.FS) error {
	text, err := fs.ReadFile(fsys, "go.mod")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "//")
		words := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		switch {
		case len(words) == 2 && words[0] == "module":
			h.module = words[1]
		case len(words) == 2 && strings.HasPrefix(words[1], "v"):
			h.modules = append(h.modules, words[0])
		}
	}
	if h.module == "" {
		return fmt.Errorf("go.mod: no module line")
	}
	return nil
}

func (h *house) readFile(fsys fs.FS, name string) error {
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	tree, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	f := file{
		path: name, test: strings.HasSuffix(name, "_test.go"), pkg: tree.Name.Name,
		lines: bytes.Count(text, []byte("\n")), text: text,
	}
	for _, spec := range tree.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return fmt.Errorf("%s: import %s: %w", name, spec.Path.Value, err)
		}
		f.imports = append(f.imports, imported)
	}
	for _, d := range tree.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			f.inits++
		}
	}
	dir := path.Dir(name)
	if dir == "." {
		dir = ""
	}
	h.packages[dir] = append(h.packages[dir], f)
	return nil
}

// own returns the directory of an import of this module; false for any other import.
func (h *house) own(imported string) (string, bool) {
	if imported == h.module {
		return "", true
	}
	return strings.CutPrefix(imported, h.module+"/")
}

// thirdParty returns the module that an import belongs to; "" for the standard library and this module.
func (h *house) thirdParty(imported string) string {
	first, _, _ := strings.Cut(imported, "/")
	if _, own := h.own(imported); own || !strings.Contains(first, ".") {
		return ""
	}
	module := imported // one that go.mod does not know stands for itself
	longest := 0
	for _, m := range h.modules {
		if len(m) > longest && (imported == m || strings.HasPrefix(imported, m+"/")) {
			module, longest = m, len(m)
		}
	}
	return module
}

// imports returns what the files of a package, tests left out, import: path to the file that does.
func (h *house) imports(dir string) map[string]string {
	found := map[string]string{}
	for _, f := range h.packages[dir] {
		if f.test {
			continue
		}
		for _, imported := range f.imports {
			found[imported] = f.path
		}
	}
	return found
}

// dirs returns the directories of all packages that have more than tests, sorted.
func (h *house) dirs() []string {
	var dirs []string
	for dir, files := range h.packages {
		if slices.ContainsFunc(files, func(f file) bool { return !f.test }) {
			dirs = append(dirs, dir)
		}
	}
	slices.Sort(dirs)
	return dirs
}
