package intercomrbac_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func ExampleReceiver() {
	fake := intercomtest.Start()
	defer fake.Close()
	ids := fake.Seed()
	const secret = "the-client-secret-of-the-app" // a service of yours reads it from its environment

	directory, err := intercomrbac.NewRoleDirectory(fake.Client(), intercomrbac.RoleDirectoryConfig{
		Map: intercomrbac.RoleMap{RoleIDs: map[intercomrbac.ID]intercomrbac.Role{"5403": "agent"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	receiver, err := intercomrbac.NewReceiver(intercomrbac.ReceiverConfig{
		Secrets:   []intercomrbac.Secret{intercomrbac.NewSecret(secret)},
		Workspace: "fake1234",
		Roles: func(context.Context, intercomrbac.WorkspaceID) (*intercomrbac.RoleDirectory, error) {
			return directory, nil
		},
		OnError: func(ctx context.Context, n intercomrbac.Notification, err error) {
			slog.ErrorContext(ctx, "webhook", "topic", n.Topic, "id", n.ID, "error", err)
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	left := make(chan intercomrbac.AdminID, 1)
	receiver.On(intercomrbac.EventAdminRemovedFromWorkspace, func(_ context.Context, n intercomrbac.Notification) error {
		admin, err := n.Admin()
		if err != nil {
			return err
		}
		left <- admin.ID // a service of yours ends their sessions
		return nil
	})
	mux := http.NewServeMux()
	mux.Handle("/webhooks/", http.StripPrefix("/webhooks", receiver))

	// A teammate who works here, and then does not.
	ctx := context.Background()
	aiko, err := directory.Principal(ctx, ids.Agent)
	fmt.Println(aiko.Role, err)
	gone := fake.Notification(secret, intercomtest.Notification{Topic: intercomrbac.EventAdminRemovedFromWorkspace, Item: fake.AdminItem(ids.Agent)})
	gone.Path = "/webhooks/"
	fake.RemoveAdmin(ids.Agent)
	fmt.Println(gone.To(mux).Status)
	_, err = directory.Principal(ctx, ids.Agent)
	fmt.Println(errors.Is(err, intercomrbac.ErrAdminNotFound), <-left)

	// When the service ends: what is queued is handled first.
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := receiver.Close(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// agent <nil>
	// 200
	// true 991267461
}

func ExampleReceiverConfig_rotation() {
	fake := intercomtest.Start()
	defer fake.Close()
	receiver, err := intercomrbac.NewReceiver(intercomrbac.ReceiverConfig{
		Secrets:   []intercomrbac.Secret{intercomrbac.NewSecret("the-new-one"), intercomrbac.NewSecret("the-old-one")},
		Workspace: "fake1234",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, secret := range []string{"the-old-one", "the-new-one", "another-one"} {
		fmt.Println(secret, fake.Notification(secret, intercomtest.Notification{Topic: intercomrbac.EventPing}).To(receiver).Status)
	}
	// Output:
	// the-old-one 200
	// the-new-one 200
	// another-one 401
}

func ExampleReceiverConfig_health() {
	fake := intercomtest.Start()
	defer fake.Close()
	receiver, err := intercomrbac.NewReceiver(intercomrbac.ReceiverConfig{
		Secrets:   []intercomrbac.Secret{intercomrbac.NewSecret("the-client-secret")},
		Workspace: "fake1234",
		Health: func(context.Context, intercomrbac.WorkspaceID, time.Time) (intercomrbac.Health, error) {
			return intercomrbac.Health{State: intercomrbac.HealthUnhealthy, Message: "The access to this workspace was revoked.", Reinstall: true}, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(fake.HealthCheck("the-client-secret").To(receiver).Body)
	// Output:
	// {"state":"UNHEALTHY","message":"The access to this workspace was revoked.","cta_type":"REINSTALL_CTA"}
}
