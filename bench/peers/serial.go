package main

import (
	"context"
	"flag"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
)

// serial migrates one resource the way kube-storage-version-migrator does: pages of 500 whole objects, each put back
// as it was listed, one after the other, at the limits that its migrator sets itself (40 a second, burst 1000).
func serial(ctx context.Context, args []string) (Result, error) {
	flags := flag.NewFlagSet("serial", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "a kubeconfig file")
	group := flags.String("group", "", "the resource's group")
	version := flags.String("version", "", "its version")
	plural := flags.String("plural", "", "its plural name")
	_ = flags.Parse(args)

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return Result{}, err
	}
	config.QPS, config.Burst = 40, 1000
	c, err := dynamic.NewForConfig(config)
	if err != nil {
		return Result{}, err
	}
	resource := c.Resource(schema.GroupVersionResource{Group: *group, Version: *version, Resource: *plural})

	began := time.Now()
	count, token := 0, ""
	for {
		page, err := resource.List(ctx, metav1.ListOptions{Limit: 500, Continue: token})
		if err != nil {
			return Result{}, err
		}
		for i := range page.Items {
			object := &page.Items[i]
			_, err := resource.Namespace(object.GetNamespace()).Update(ctx, object, metav1.UpdateOptions{})
			if err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
				return Result{}, err
			}
			count++
		}
		if token = page.GetContinue(); token == "" {
			return Result{Seconds: time.Since(began).Seconds(), Objects: count}, nil
		}
	}
}
