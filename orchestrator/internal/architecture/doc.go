// Package architecture holds no code: its test keeps the rules of who may
// import whom, each with its reason (imports_test.go).
package architecture
