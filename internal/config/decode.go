package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// decoder puts the values of a file into the types of this package, and notes all that is wrong.
type decoder struct {
	found []finding
	// shared is set while defaults are read: what belongs to one store or job alone is out of place, and they need not have anything.
	shared bool
}

// decodes is a type that knows how it is written.
type decodes interface{ decode(d *decoder, n *node) }

// fault notes what is wrong with a value.
func (d *decoder) fault(n *node, format string, args ...any) {
	d.found = append(d.found, finding{at: n.at, message: fmt.Sprintf(format, args...)})
}

// check notes an error about a value, if there is one.
func (d *decoder) check(n *node, err error) {
	if err != nil {
		d.fault(n, "%s", err)
	}
}

// faultKey notes what is wrong with the key of a value. What stands behind a key that is not known may be a secret.
func (d *decoder) faultKey(n *node, format string, args ...any) {
	d.found = append(d.found, finding{at: n.key, message: fmt.Sprintf(format, args...), show: keyAlone})
}

// value puts n into v, which can be set. bounds is the tag of the field, for numbers.
func (d *decoder) value(n *node, v reflect.Value, bounds reflect.StructTag) {
	switch to := v.Addr().Interface().(type) {
	case decodes:
		to.decode(d, n)
	case encoding.TextUnmarshaler:
		if d.is(n, aString) {
			d.check(n, to.UnmarshalText([]byte(n.text)))
		}
	default:
		d.plain(n, v, bounds)
	}
}

// plain is value for types that are not of this package, and for structs.
func (d *decoder) plain(n *node, v reflect.Value, bounds reflect.StructTag) {
	switch v.Kind() {
	case reflect.String:
		d.text(n, v)
	case reflect.Bool:
		if d.is(n, aBool) {
			v.SetBool(n.text == "true")
		}
	case reflect.Int:
		d.number(n, v, bounds)
	case reflect.Slice:
		d.slice(n, v)
	case reflect.Map:
		d.dictionary(n, v)
	case reflect.Struct:
		if d.is(n, aTable) {
			d.fields(n, v.Addr().Interface())
		}
	default:
		panic("config: no way to read a " + v.Type().String())
	}
}

// is reports whether n is of a kind, and notes it where it is not.
func (d *decoder) is(n *node, want kind) bool {
	if n.kind != want {
		d.fault(n, "want %s, got %s", want, n.kind)
	}
	return n.kind == want
}

func (d *decoder) text(n *node, v reflect.Value) {
	if !d.is(n, aString) {
		return
	}
	if c, ok := v.Interface().(choice); ok && !slices.Contains(c.choices(), n.text) {
		d.fault(n, "%q is not one of %s", n.text, strings.Join(c.choices(), ", "))
		return
	}
	if strings.ContainsRune(n.text, 0) {
		d.fault(n, "has a NUL byte")
	}
	v.SetString(n.text)
}

func (d *decoder) number(n *node, v reflect.Value, bounds reflect.StructTag) {
	i, err := n.integer()
	least, _ := strconv.ParseInt(bounds.Get("min"), 10, 64)
	most, _ := strconv.ParseInt(bounds.Get("max"), 10, 64)
	switch {
	case err != nil:
		d.check(n, err)
	case i < least || i > most:
		d.fault(n, "want a number from %d to %d", least, most)
	default:
		v.SetInt(i)
	}
}

// slice reads a list; where the elements have names of their own they are tables in a table.
func (d *decoder) slice(n *node, v reflect.Value) {
	element := v.Type().Elem()
	if element.Kind() == reflect.Pointer {
		d.named(n, v)
		return
	}
	if !d.is(n, aList) {
		return
	}
	list := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i, item := range n.items {
		d.value(item, list.Index(i), "")
	}
	v.Set(list)
}

// named reads tables with names, in the order of the file.
func (d *decoder) named(n *node, v reflect.Value) {
	if !d.is(n, aTable) {
		return
	}
	for _, name := range n.keys {
		child := n.table[name]
		if err := checkName(name); err != nil {
			d.faultKey(child, "%s", err)
		}
		one := reflect.New(v.Type().Elem().Elem())
		one.Elem().FieldByName("Name").SetString(name)
		if with, ok := one.Interface().(interface{ preset() }); ok {
			with.preset()
		}
		if d.is(child, aTable) {
			d.fields(child, one.Interface())
		}
		v.Set(reflect.Append(v, one))
	}
}

// dictionary reads a table whose keys are names.
func (d *decoder) dictionary(n *node, v reflect.Value) {
	if !d.is(n, aTable) {
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, name := range n.keys {
		one := reflect.New(v.Type().Elem()).Elem()
		d.value(n.table[name], one, "")
		v.SetMapIndex(reflect.ValueOf(name), one)
	}
}

// texts returns a list of texts.
func (d *decoder) texts(n *node) []string {
	var list []string
	d.slice(n, reflect.ValueOf(&list).Elem())
	return list
}

// fields puts a table into the struct that to points to.
func (d *decoder) fields(n *node, to any) {
	v := reflect.ValueOf(to).Elem()
	known := fieldsOf(v.Type())
	shared := d.shared && (v.Type() == reflect.TypeFor[Store]() || v.Type() == reflect.TypeFor[Job]())
	for _, key := range n.keys {
		value := n.table[key]
		i := slices.IndexFunc(known, func(f field) bool { return f.key == key })
		switch {
		case i < 0:
			d.faultKey(value, "%s", unknown(key, known))
		case known[i].own && shared:
			d.faultKey(value, "%s cannot be a default: it is said of each by itself", key)
		default:
			d.value(value, v.FieldByIndex(known[i].index), known[i].tag)
		}
	}
	for _, f := range known {
		if f.required && !shared && n.table[f.key] == nil {
			d.fault(n, "%s is missing", f.key)
		}
	}
}

// field is a field of a struct that has a key.
type field struct {
	key           string
	index         []int
	own, required bool
	tag           reflect.StructTag
}

// fieldsOf returns the fields of a struct that have keys, those of structs embedded in it included.
func fieldsOf(t reflect.Type) []field {
	var all []field
	for _, f := range reflect.VisibleFields(t) {
		if key := f.Tag.Get("toml"); key != "" && key != "-" {
			all = append(all, field{key: key, index: f.Index, own: f.Tag.Get("own") != "", required: f.Tag.Get("required") != "", tag: f.Tag})
		}
	}
	return all
}
