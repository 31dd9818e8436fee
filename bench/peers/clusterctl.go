package main

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/cluster-api/cmd/clusterctl/client/cluster"
	"sigs.k8s.io/cluster-api/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// clusterctl migrates the CRDs of a folder's manifests as `clusterctl upgrade` does: its YAML reader, its client's
// limits (cmd/clusterctl/client/cluster/proxy.go), its migrator.
func clusterctl(ctx context.Context, args []string) (Result, error) {
	flags := flag.NewFlagSet("clusterctl", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "a kubeconfig file")
	folder := flags.String("f", "", "a folder of manifests")
	_ = flags.Parse(args)

	began := time.Now()
	objects, err := read(*folder)
	if err != nil {
		return Result{}, err
	}
	reading := time.Since(began)

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return Result{}, err
	}
	config.QPS, config.Burst = 500, 1000
	scheme := runtime.NewScheme()
	if err := apiextensionsv1.AddToScheme(scheme); err != nil {
		return Result{}, err
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return Result{}, err
	}
	if err := cluster.NewCRDMigrator(c).Run(ctx, objects); err != nil {
		return Result{}, err
	}
	return Result{Seconds: time.Since(began).Seconds(), Reading: reading.Seconds(), Objects: len(objects)}, nil
}

func read(folder string) ([]unstructured.Unstructured, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return nil, err
	}
	var all []unstructured.Unstructured
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		objects, err := yaml.ToUnstructured(text)
		if err != nil {
			return nil, err
		}
		all = append(all, objects...)
	}
	return all, nil
}
