package rdiff

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"varve"
)

// parseXattrs reads the lines of a record of extended_attributes: NAME=0sBASE64, or NAME for an empty one.
func parseXattrs(text string) ([]varve.Xattr, error) {
	var xattrs []varve.Xattr
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			continue
		}
		x := varve.Xattr{Name: line}
		if name, code, ok := strings.Cut(line, "=0s"); ok {
			value, err := base64.StdEncoding.DecodeString(code)
			if err != nil {
				return nil, fmt.Errorf("attribute %.100q: %w", name, err)
			}
			x = varve.Xattr{Name: unescapeOctal(name), Value: string(value)}
		}
		if strings.IndexByte(x.Name, 0) >= 0 || strings.HasPrefix(x.Name, "system.") { // ACLs stand elsewhere
			return nil, fmt.Errorf("attribute %.100q is not one that can be there", x.Name)
		}
		xattrs = append(xattrs, x)
	}
	return sortXattrs(xattrs)
}

// sortXattrs sorts by name.
func sortXattrs(xattrs []varve.Xattr) ([]varve.Xattr, error) {
	slices.SortFunc(xattrs, func(a, b varve.Xattr) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(xattrs); i++ {
		if xattrs[i].Name == xattrs[i-1].Name {
			return nil, fmt.Errorf("attribute %.100q is there twice", xattrs[i].Name)
		}
	}
	return xattrs, nil
}
