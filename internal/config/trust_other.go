//go:build !unix

package config

import "io/fs"

// trusted takes every file: permission bits say nothing here.
func trusted(string, fs.FileInfo, int) error { return nil }
