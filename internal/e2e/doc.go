// Package e2e holds tests alone: it backs up real file systems and restores them, and lets programs that were written elsewhere judge
// what came back: rsync, tar, getfacl, getfattr and lsattr.
//
// It is not for testing one package: each has tests of its own.
package e2e
