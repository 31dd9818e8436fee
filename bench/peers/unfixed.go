package main

import (
	"context"
	"flag"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
)

// unfixed looks CRDs up that are not there as clusterctl did before cluster-api#11978 was mended: every error was
// worth another try, NotFound too. Its seconds are those that one CRD took.
func unfixed(ctx context.Context, args []string) (Result, error) {
	flags := flag.NewFlagSet("unfixed", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "a kubeconfig file")
	count := flags.Int("count", 3, "how many CRDs")
	_ = flags.Parse(args)

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return Result{}, err
	}
	c, err := dynamic.NewForConfig(config)
	if err != nil {
		return Result{}, err
	}
	crds := c.Resource(schema.GroupVersionResource{
		Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions",
	})
	// One after the other in clusterctl; side by side here, for a wait takes nothing from another.
	took := make([]float64, *count)
	failed := make([]error, *count)
	var lookups sync.WaitGroup
	for n := range *count {
		lookups.Go(func() {
			began := time.Now()
			// cmd/clusterctl/client/cluster/client.go, newReadBackoff.
			backoff := wait.Backoff{Duration: 250 * time.Millisecond, Factor: 1.5, Steps: 9, Jitter: 0.1}
			_ = wait.ExponentialBackoffWithContext(ctx, backoff, func(ctx context.Context) (bool, error) {
				_, failed[n] = crds.Get(ctx, "things.not-there.example.com", metav1.GetOptions{})
				return failed[n] == nil, nil
			})
			took[n] = time.Since(began).Seconds()
		})
	}
	lookups.Wait()
	var seconds float64
	for n := range *count {
		if !apierrors.IsNotFound(failed[n]) {
			return Result{}, failed[n]
		}
		seconds += took[n] / float64(*count)
	}
	return Result{Seconds: seconds, Objects: *count}, nil
}
