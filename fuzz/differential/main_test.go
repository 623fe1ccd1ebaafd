package differential

import (
	"os"
	"testing"

	"concord/fuzz/oracle"
)

func TestMain(m *testing.M) {
	oracle.ServeGo()
	os.Exit(m.Run())
}
