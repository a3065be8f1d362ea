// Package load contains only tests. They open thousands of streams on other people's servers, by
// package load of this repository, restart the servers, and write what they saw into a table.
package load
