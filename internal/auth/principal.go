package auth

import (
	"log/slog"
	"slices"
	"time"
)

// Role is what a principal may do within its company.
type Role string

// The four roles, as they stand in the `role` claim.
const (
	// RoleViewer reads documents and is sent events; its changes are ignored.
	RoleViewer Role = "viewer"
	// RoleEditor reads and changes documents.
	RoleEditor Role = "editor"
	// RoleAdmin does what an editor does and runs the company: revocations, rejections.
	RoleAdmin Role = "admin"
	// RoleService is a back-end program of the company: reads and changes documents.
	RoleService Role = "service"
)

// Valid reports whether r is one of the four roles.
func (r Role) Valid() bool {
	switch r {
	case RoleViewer, RoleEditor, RoleAdmin, RoleService:
		return true
	}
	return false
}

// Principal is a verified caller. It is read-only once made and may be
// shared; the backing arrays of Roles and Docs must not be
// written.
type Principal struct {
	// User is the `sub` claim, 1–256 bytes.
	User string
	// Company is the tenant, 1–256 bytes. Compared byte by byte.
	Company string
	// Name is for display; may be empty, at most 256 bytes.
	Name string
	Role Role
	// Roles are names that the company gives a meaning, such as "accountant": at
	// most 16 of at most 64 bytes. They open nothing.
	Roles []string
	// Docs narrows the principal to these document IDs, sorted. Nil is all
	// documents of the company; empty but not nil is none.
	Docs []string
	// TokenID is the `jti` claim; empty if the token has none.
	TokenID string
	// IssuedAt is the `iat` claim; zero if the token has none.
	IssuedAt time.Time
	// Expires is the `exp` claim.
	Expires time.Time
	// Deadline is Expires plus the verifier's leeway: a connection that began
	// with this principal is closed at this moment.
	Deadline time.Time
}

// AllRoles returns the role and the company's own, as rules know them.
func (p Principal) AllRoles() []string {
	return append([]string{string(p.Role)}, p.Roles...)
}

// CanWrite reports whether changes of the principal are taken.
func (p Principal) CanWrite() bool {
	return p.Role == RoleEditor || p.Role == RoleAdmin || p.Role == RoleService
}

// IsAdmin reports whether the principal may revoke and list rejections.
func (p Principal) IsAdmin() bool { return p.Role == RoleAdmin }

// IsService reports whether the principal is a back-end program.
func (p Principal) IsService() bool { return p.Role == RoleService }

// MayOpen reports whether the principal isn't narrowed away from the document.
// documentID is the base58check text that is used on the wire.
func (p Principal) MayOpen(documentID string) bool {
	if p.Docs == nil {
		return true
	}
	_, found := slices.BinarySearch(p.Docs, documentID)
	return found
}

// LogValue holds company, user and role, and nothing else of the token.
func (p Principal) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("company", p.Company),
		slog.String("user", p.User),
		slog.String("role", string(p.Role)),
	)
}
