package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

func typeOf(value any) string {
	switch v := value.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case float64:
		if v == float64(int64(v)) {
			return "integer"
		}
	case []any:
		return "array"
	case object:
		return "object"
	}
	return "something else"
}

func matches(t testing.TB, pattern, text string) bool {
	re, err := regexp.Compile(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return re.MatchString(text)
}

// breachOf says what about a file is not as the schema has it.
func breachOf(t testing.TB, text string) string {
	t.Helper()
	var rules, value object
	if err := json.Unmarshal(Schema(), &rules); err != nil {
		t.Fatal(err)
	}
	var file map[string]any
	if err := toml.Unmarshal([]byte(text), &file); err != nil {
		return err.Error()
	}
	plain, err := json.Marshal(file)
	if err != nil {
		return err.Error()
	}
	if err := json.Unmarshal(plain, &value); err != nil {
		t.Fatal(err)
	}
	v := validator{t, rules["$defs"].(object)}
	return v.breach(rules, value, "file")
}

// examples are files that must be right: those of the tests, of the manual and of the directory examples, by name.
func examples(t testing.TB) map[string]string {
	t.Helper()
	found := map[string]string{"everything": everything}
	files, err := filepath.Glob("../../examples/*.toml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		found[name] = string(text)
	}
	for i, block := range strings.Split(manual(t), "```toml\n")[1:] {
		text, _, _ := strings.Cut(block, "```")
		found["manual "+string(rune('1'+i))] = text
	}
	return found
}

func manual(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/manual/config.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestExamplesAreRight(t *testing.T) {
	all := examples(t)
	if len(all) < 3 {
		t.Errorf("%d examples were found", len(all))
	}
	for name, text := range all {
		if _, err := Parse(name, []byte(text), Options{Home: "/home/u"}); err != nil {
			t.Errorf("%s", err)
		}
		if fault := breachOf(t, text); fault != "" {
			t.Errorf("%s: the schema refuses it: %s", name, fault)
		}
	}
}

func TestTheSchemaRefusesWhatIsWrong(t *testing.T) {
	for _, text := range []string{"stores = 1", "[store.a]", "[store.a]\nplace = 1", "[store.a]\nplace = \"/x\"\nkind = \"pile\"",
		"[job.a]\nstores = \"x\"", "[job.a]\nstores = [\"x\"]\nretries = -1", "[store.a]\nplace = \"/x\"\nmax-size = \"big\"",
		"[defaults.store]\nplace = \"/x\"", "[job.a]\nstores = [\"x\"]\nhook = { before = 5 }"} {
		if breachOf(t, text) == "" {
			t.Errorf("accepted:\n%s", text)
		}
	}
}

func TestTheManualNamesEveryKey(t *testing.T) {
	text := manual(t)
	var rules object
	if err := json.Unmarshal(Schema(), &rules); err != nil {
		t.Fatal(err)
	}
	var keys []string
	var collect func(any)
	collect = func(value any) {
		switch v := value.(type) {
		case []any:
			for _, one := range v {
				collect(one)
			}
		case object:
			if properties, ok := v["properties"].(object); ok {
				for key := range properties {
					keys = append(keys, key)
				}
			}
			for _, one := range v {
				collect(one)
			}
		}
	}
	collect(rules)
	slices.Sort(keys)
	keys = slices.Compact(keys)
	if len(keys) < 60 {
		t.Errorf("only %d keys: %q", len(keys), keys)
	}
	for _, key := range keys {
		if !strings.Contains(text, "`"+key+"`") && !strings.Contains(text, "["+key+".") {
			t.Errorf("the manual does not tell of %s", key)
		}
	}
}
