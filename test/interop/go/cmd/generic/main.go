// A gRPC client that knows nothing of SPIFFE: it asks the server what it offers (reflection v1 and v1alpha), what the
// methods and fields are called, and whether it is healthy. No security header is sent: reflection and health are asked
// for without it by the tools in the field.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/jhump/protoreflect/desc"
	"github.com/jhump/protoreflect/grpcreflect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	reflectv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	conn, err := grpc.NewClient(os.Getenv("SPIFFE_ENDPOINT_SOCKET"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	if len(args) == 0 {
		return fmt.Errorf("usage: generic list v1|v1alpha | describe v1|v1alpha SERVICE | health [SERVICE]")
	}
	if args[0] == "health" {
		return health(ctx, conn, append(args[1:], "")[0])
	}
	if len(args) < 2 {
		return fmt.Errorf("which version of reflection: v1 or v1alpha?")
	}
	client := reflection(ctx, conn, args[1])
	defer client.Reset()
	if args[0] == "list" {
		services, err := client.ListServices()
		if err != nil {
			return err
		}
		sort.Strings(services)
		return json.NewEncoder(os.Stdout).Encode(services)
	}
	service, err := client.ResolveService(args[2])
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(describe(service))
}

func reflection(ctx context.Context, conn *grpc.ClientConn, version string) *grpcreflect.Client {
	if version == "v1alpha" {
		return grpcreflect.NewClientV1Alpha(ctx, reflectv1alpha.NewServerReflectionClient(conn))
	}
	return grpcreflect.NewClientV1(ctx, reflectv1.NewServerReflectionClient(conn))
}

func health(ctx context.Context, conn *grpc.ClientConn, service string) error {
	answer, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: service})
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(answer.GetStatus().String())
}

type description struct {
	File     string            `json:"file"`
	Package  string            `json:"package"`
	Syntax   string            `json:"syntax"`
	Imports  []string          `json:"imports"`
	Services int               `json:"services"`
	Methods  map[string]string `json:"methods"`
	Messages map[string]string `json:"messages"`
}

// describe writes each method as "Request -> stream Response" and each message as "1 type name, 2 …".
func describe(service *desc.ServiceDescriptor) description {
	file := service.GetFile()
	out := description{
		File: file.GetName(), Package: file.GetPackage(), Syntax: file.AsFileDescriptorProto().GetSyntax(),
		Imports: file.AsFileDescriptorProto().GetDependency(), Services: len(file.GetServices()),
		Methods: map[string]string{}, Messages: map[string]string{},
	}
	for _, method := range service.GetMethods() {
		out.Methods[method.GetName()] = fmt.Sprintf("%s%s -> %s%s",
			stream(method.IsClientStreaming()), method.GetInputType().GetFullyQualifiedName(),
			stream(method.IsServerStreaming()), method.GetOutputType().GetFullyQualifiedName())
	}
	for _, message := range file.GetMessageTypes() {
		out.Messages[message.GetFullyQualifiedName()] = layout(message)
	}
	return out
}

func stream(is bool) string {
	if is {
		return "stream "
	}
	return ""
}

func layout(message *desc.MessageDescriptor) string {
	fields := message.GetFields()
	sort.Slice(fields, func(i, j int) bool { return fields[i].GetNumber() < fields[j].GetNumber() })
	lines := make([]string, 0, len(fields))
	for _, field := range fields {
		lines = append(lines, fmt.Sprintf("%d %s %s", field.GetNumber(), typeOf(field), field.GetName()))
	}
	return strings.Join(lines, ", ")
}

func typeOf(field *desc.FieldDescriptor) string {
	if field.IsMap() {
		return "map<" + typeOf(field.GetMapKeyType()) + ", " + typeOf(field.GetMapValueType()) + ">"
	}
	name := strings.ToLower(strings.TrimPrefix(field.GetType().String(), "TYPE_"))
	if message := field.GetMessageType(); message != nil {
		name = message.GetFullyQualifiedName()
	}
	if field.IsRepeated() {
		return "repeated " + name
	}
	return name
}
