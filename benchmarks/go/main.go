// Probes a URL with net/http, as a plain Go program would: one client, no keep-alive, a deadline for each request.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	url         = flag.String("url", "", "what to probe; a path is appended")
	caFile      = flag.String("ca", "", "file of the authority to trust")
	count       = flag.Int("count", 1000, "how many probes")
	concurrency = flag.Int("concurrency", 100, "how many at a time")
)

func main() {
	flag.Parse()
	client := newClient()
	run(client, *concurrency)
	cpu, wall := cpuSeconds(), time.Now()
	succeeded := run(client, *count)
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"succeeded":    succeeded,
		"cpu_seconds":  cpuSeconds() - cpu,
		"wall_seconds": time.Since(wall).Seconds(),
	})
}

func newClient() *http.Client {
	transport := &http.Transport{DisableKeepAlives: true}
	if *caFile != "" {
		pem, err := os.ReadFile(*caFile)
		if err != nil {
			panic(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		// The curve that OpenSSL offers: Go's default adds a post-quantum one, which would flatter the other side.
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, CurvePreferences: []tls.CurveID{tls.X25519}}
	}
	return &http.Client{Transport: transport}
}

func run(client *http.Client, count int) int64 {
	var next, succeeded atomic.Int64
	var workers sync.WaitGroup
	for range *concurrency {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for i := next.Add(1); i <= int64(count); i = next.Add(1) {
				if probe(client, fmt.Sprintf("%s/%d", *url, i%100)) == nil {
					succeeded.Add(1)
				}
			}
		}()
	}
	workers.Wait()
	return succeeded.Load()
}

func probe(client *http.Client, url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20)); err != nil {
		return err
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return seconds(usage.Utime) + seconds(usage.Stime)
}
