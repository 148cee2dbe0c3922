package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"varve/internal/schedule"
)

var updating = flag.Bool("update", false, "write schema.json instead of comparing with it")

// object is a JSON object. Its keys are sorted when it is written.
type object = map[string]any

func TestTheSchemaIsThatOfTheTypes(t *testing.T) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(schemaOfTypes(t)); err != nil {
		t.Fatal(err)
	}
	if *updating {
		if err := os.WriteFile("schema.json", b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(Schema()), b.String()); diff != "" {
		t.Errorf("schema.json (go test -update writes it anew):\n%s", diff)
	}
}

// describer makes the schema.
type describer struct {
	t *testing.T
	// comments are those of types and of the fields of types, as TYPE or TYPE.FIELD.
	comments map[string]string
	// types are those that are described once and referred to.
	types object
}

func schemaOfTypes(t *testing.T) object {
	d := &describer{t, comments(t), object{}}
	s := d.table(reflect.TypeFor[Config](), false)
	s["$defs"] = d.types
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "varve.toml"
	return s
}

// comments returns the comments of this package's types.
func comments(t *testing.T) map[string]string {
	found := map[string]string{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if fields, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range fields.Fields.List {
					for _, name := range f.Names {
						found[spec.Name.Name+"."+name.Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
					}
				}
			}
			return true
		})
	}
	return found
}

// table describes a struct.
func (d *describer) table(typ reflect.Type, shared bool) object {
	properties, required := object{}, []string{}
	for _, f := range fieldsOf(typ) {
		if f.own && shared {
			continue
		}
		s := d.value(typ.FieldByIndex(f.index), shared || typ == reflect.TypeFor[Defaults]())
		if text := d.description(typ, f); text != "" {
			s["description"] = text
		}
		properties[f.key] = s
		if f.required && (f.own && !shared || typ != reflect.TypeFor[Store]() && typ != reflect.TypeFor[Job]()) { // others may come from the defaults
			required = append(required, f.key)
		}
	}
	s := object{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// description returns the comment of a field with the field's key in place of its name.
func (d *describer) description(typ reflect.Type, f field) string {
	name := typ.FieldByIndex(f.index).Name
	if len(f.index) > 1 {
		typ = typ.Field(f.index[0]).Type
	}
	if typ == reflect.TypeFor[Config]() || typ == reflect.TypeFor[Defaults]() {
		return ""
	}
	text := d.comments[typ.Name()+"."+name]
	rest, ok := strings.CutPrefix(text, name+" ")
	if !ok {
		d.t.Errorf("%s.%s: the comment does not begin with the name: %q", typ.Name(), name, text)
	}
	return f.key + " " + rest
}

// texts are the types that are written as texts, with what these look like.
var texts = map[reflect.Type]string{
	reflect.TypeFor[Span]():              `^([0-9]+[yYwWdDhHmsS])+$`,
	reflect.TypeFor[Every]():             `^(never|([0-9]+[yYwWdDhHmsS])+)$`,
	reflect.TypeFor[Age]():               `^([0-9]+[yYmMwWdDhH])+$`,
	reflect.TypeFor[Size]():              `^[0-9]+[KMGTkmgt]?$`,
	reflect.TypeFor[Percent]():           `^[0-9.]+%$`,
	reflect.TypeFor[Room]():              `^([0-9]+[KMGTkmgt]?|[0-9.]+%)$`,
	reflect.TypeFor[schedule.Schedule](): `[a-zA-Z]`,
}

// value describes the value of a field.
func (d *describer) value(f reflect.StructField, shared bool) object {
	typ, text := f.Type, object{"type": "string"}
	list := object{"type": "array", "items": object{"type": "string"}}
	if pattern, ok := texts[typ]; ok {
		return object{"type": "string", "pattern": pattern}
	}
	switch typ {
	case reflect.TypeFor[Words](), reflect.TypeFor[Line]():
		return object{"anyOf": []any{text, list}}
	case reflect.TypeFor[Call]():
		return d.once(typ, func() object { return object{"anyOf": []any{text, list, d.table(typ, false)}} })
	case reflect.TypeFor[Keep]():
		return d.once(typ, func() object { return d.table(typ, false) })
	case reflect.TypeFor[Count]():
		return object{"anyOf": []any{object{"type": "integer", "minimum": 0}, object{"const": "unlimited"}}}
	}
	if c, ok := reflect.Zero(typ).Interface().(choice); ok {
		return object{"enum": c.choices()}
	}
	switch typ.Kind() {
	case reflect.String:
		return text
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int:
		return object{"type": "integer", "minimum": d.bound(f, "min"), "maximum": d.bound(f, "max")}
	case reflect.Struct:
		return d.table(typ, shared)
	case reflect.Map:
		return object{"type": "object", "additionalProperties": d.value(reflect.StructField{Type: typ.Elem()}, shared)}
	case reflect.Slice:
		if typ.Elem().Kind() == reflect.Pointer {
			return object{"type": "object", "additionalProperties": d.table(typ.Elem().Elem(), shared)}
		}
		return object{"type": "array", "items": d.value(reflect.StructField{Type: typ.Elem()}, shared)}
	}
	d.t.Fatalf("no way to describe %s", typ)
	return nil
}

// once describes a type that is in several places.
func (d *describer) once(typ reflect.Type, describe func() object) object {
	if d.types[typ.Name()] == nil {
		d.types[typ.Name()] = describe()
	}
	return object{"$ref": "#/$defs/" + typ.Name()}
}

func (d *describer) bound(f reflect.StructField, tag string) int64 {
	n, err := strconv.ParseInt(f.Tag.Get(tag), 10, 64)
	if err != nil {
		d.t.Errorf("%s: no %s", f.Name, tag)
	}
	return n
}

// validator holds values against a schema. It knows what our schema has and no more.
type validator struct {
	t     testing.TB
	types object
}

// breach says what about a value is not as a schema has it; empty where nothing is.
func (v *validator) breach(schema object, value any, at string) string {
	for key, want := range schema {
		fault := ""
		switch key {
		case "$schema", "$defs", "title", "description":
		case "$ref":
			fault = v.breach(v.types[strings.TrimPrefix(want.(string), "#/$defs/")].(object), value, at)
		case "type":
			if got := typeOf(value); got != want {
				fault = fmt.Sprintf("is %s, not %s", got, want)
			}
		case "enum":
			fault = "is none of the choices"
			for _, c := range want.([]any) {
				if c == value {
					fault = ""
				}
			}
		case "const":
			if value != want {
				fault = "is another value"
			}
		case "pattern":
			if text, ok := value.(string); ok && !matches(v.t, want.(string), text) {
				fault = "does not match " + want.(string)
			}
		case "minimum":
			if n, ok := value.(float64); ok && n < want.(float64) {
				fault = "is too small"
			}
		case "maximum":
			if n, ok := value.(float64); ok && n > want.(float64) {
				fault = "is too large"
			}
		case "anyOf":
			fault = "fits none of the forms"
			for _, one := range want.([]any) {
				if v.breach(one.(object), value, at) == "" {
					fault = ""
				}
			}
		case "required":
			table, _ := value.(object)
			for _, name := range want.([]any) {
				if _, ok := table[name.(string)]; !ok {
					fault = "lacks " + name.(string)
				}
			}
		case "items":
			list, _ := value.([]any)
			for i, item := range list {
				if deep := v.breach(want.(object), item, fmt.Sprintf("%s[%d]", at, i)); deep != "" {
					return deep
				}
			}
		case "properties", "additionalProperties":
			if deep := v.table(schema, value, at); deep != "" {
				return deep
			}
		default:
			v.t.Fatalf("the schema has the word %q", key)
		}
		if fault != "" {
			return at + " " + fault
		}
	}
	return ""
}

func (v *validator) table(schema object, value any, at string) string {
	table, _ := value.(object)
	properties, _ := schema["properties"].(object)
	for key, value := range table {
		rule, ok := properties[key].(object)
		if !ok {
			rule, ok = schema["additionalProperties"].(object)
		}
		if !ok {
			return at + "." + key + " is not known"
		}
		if deep := v.breach(rule, value, at+"."+key); deep != "" {
			return deep
		}
	}
	return ""
}
