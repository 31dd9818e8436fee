package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// loop sends empty merge patches from some workers and nothing else: what the server itself lets through.
func loop(ctx context.Context, args []string) (Result, error) {
	flags := flag.NewFlagSet("loop", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "a kubeconfig file")
	path := flags.String("path", "", "the collection's path")
	count := flags.Int("count", 0, "how many objects, from w-000000 on")
	workers := flags.Int("workers", 16, "how many requests in flight")
	_ = flags.Parse(args)

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return Result{}, err
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		return Result{}, err
	}
	client := &http.Client{Transport: transport}
	names := make(chan string)
	failures := make(chan error, *workers)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	began := time.Now()
	var crew sync.WaitGroup
	for range *workers {
		crew.Go(func() {
			for name := range names {
				if err := patch(ctx, client, config.Host+*path+"/"+name); err != nil {
					failures <- err
					cancel()
					return
				}
			}
		})
	}
feeding:
	for n := range *count {
		select {
		case names <- fmt.Sprintf("w-%06d", n):
		case <-ctx.Done():
			break feeding
		}
	}
	close(names)
	crew.Wait()
	select {
	case err := <-failures:
		return Result{}, err
	default:
		return Result{Seconds: time.Since(began).Seconds(), Objects: *count}, ctx.Err()
	}
}

func patch(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPatch, url, strings.NewReader("{}"))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/merge-patch+json")
	request.Header.Set("Accept", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io")
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, answer.Status)
	}
	return nil
}
