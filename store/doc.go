// Package store keeps the change log of every document in one bbolt file.
package store
