// Package sshtest is a rig for tests of what happens over ssh: a real sshd on the loopback interface ([Start]), the real sftp-server
// without an sshd ([SFTPServer]), and a network that fails on demand, between two sockets ([NewProxy]) or in memory ([Faulty]).
//
// Everything lives in directories that end with the test, and as processes that end with the test, by their own ids. Nothing of the
// machine is changed: users who are not in its user database are made up in a mount namespace of their own. The one trace is the
// empty directory /run/sshd, which every sshd needs.
//
// What the machine lacks makes a test skip with a reason, or fail where the environment variable VARVE_TEST_STRICT is 1.
//
// It is for tests only, and measures nothing: a proxy costs processor time that a network would not.
package sshtest
