//go:build unix && !linux

package main

const fionread = 0x4004667f // FIONREAD of macOS and the BSDs
