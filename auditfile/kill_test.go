package auditfile_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/intercomrbac/intercomrbac/auditfile"
	"github.com/intercomrbac/intercomrbac/internal/soak"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	childDir     = "AUDITFILE_TEST_CHILD_DIR"
	childRound   = "AUDITFILE_TEST_CHILD_ROUND"
	childWriters = 32
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := recordUntilKilled(dir, os.Getenv(childRound)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// recordUntilKilled is the child: it says what was acknowledged, one id a line.
func recordUntilKilled(dir, round string) error {
	log, err := auditfile.Open(dir, auditfile.Config{MaxFileBytes: 1 << 20, SigningKey: signingKey, CheckpointEvery: 500})
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	errs := make([]error, childWriters)
	for w := range childWriters {
		group.Go(func() {
			for i := 0; errs[w] == nil; i++ {
				id := fmt.Sprintf("%s-%d-%d", round, w, i)
				if errs[w] = log.Record(context.Background(), outcome(id)); errs[w] == nil {
					_, errs[w] = io.WriteString(os.Stdout, id+"\n") // one write(2)
				}
			}
		})
	}
	group.Wait()
	return errs[0]
}

// A2: a process that is killed loses nothing that it acknowledged, and the next one goes on without help.
func TestKilledProcessLosesNothingAcknowledged(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no kill -9")
	}
	t.Parallel()
	rounds := soak.N(20, 200)
	acked, torn, unacked := 0, 0, 0
	var slowest time.Duration
	r := rand.New(rand.NewPCG(1, 1))
	var dir string
	var kept map[string]bool
	for round := range rounds {
		if round%10 == 0 {
			dir, kept = filepath.Join(t.TempDir(), fmt.Sprint(round)), map[string]bool{}
		}
		got := killedChild(t, dir, round, soak.N(200, 2500)+r.IntN(500))
		acked += len(got)
		for _, id := range got {
			kept[id] = true
		}
		start := time.Now()
		log, err := auditfile.Open(dir, auditfile.Config{})
		require.NoError(t, err)
		slowest = max(slowest, time.Since(start))
		require.NoError(t, log.Close(t.Context()))
		verified(t, dir, auditfile.Trust{})
		there := map[string]bool{}
		for _, id := range ids(t, dir) {
			if id == "" {
				continue // a notice
			}
			require.False(t, there[id], "%s is there twice", id)
			there[id] = true
		}
		for id := range kept {
			require.True(t, there[id], "%s was acknowledged and is not there", id)
		}
		unacked += len(there) - len(kept)
		kept = there // what is there now stays
		aside, err := filepath.Glob(filepath.Join(dir, "torn-*"))
		require.NoError(t, err)
		if round%10 == 9 || round == rounds-1 {
			torn += len(aside)
		}
	}
	assert.Positive(t, acked)
	soak.Report(t, "A2", "%d rounds of kill -9 with %d writers: %d events acknowledged, 0 lost, %d written and not acknowledged, %d torn ends repaired, the slowest Open %d ms",
		rounds, childWriters, acked, unacked, torn, slowest.Milliseconds())
}

// killedChild runs a child until it acknowledged n events, kills it, and returns all that it acknowledged.
func killedChild(t *testing.T, dir string, round, n int) (acked []string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	child := exec.CommandContext(t.Context(), self)
	child.Env = append(os.Environ(), childDir+"="+dir, fmt.Sprintf("%s=%d", childRound, round))
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	for lines := bufio.NewReader(out); ; {
		line, err := lines.ReadString('\n')
		if id, whole := strings.CutSuffix(line, "\n"); whole {
			acked = append(acked, id)
		}
		if len(acked) == n {
			require.NoError(t, child.Process.Kill())
		}
		if err != nil {
			break
		}
	}
	require.GreaterOrEqual(t, len(acked), n, "the child ended by itself")
	require.ErrorContains(t, child.Wait(), "killed")
	return acked
}
