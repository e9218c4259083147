using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Takt.Models;
using Takt.Server.Protocols.Webhooks;

namespace Takt.Server.Protocols.Mlflow;

/// <summary><c>mlflow/webhooks…</c>. A secret comes in and never goes out.</summary>
sealed class WebhookCalls(Models.Webhooks webhooks, WebhookSender sender)
{
    // the numbers that protobuf gives the names
    static readonly string[] Entities = ["", "REGISTERED_MODEL", "MODEL_VERSION", "MODEL_VERSION_TAG", "MODEL_VERSION_ALIAS", "PROMPT", "PROMPT_VERSION", "PROMPT_TAG", "PROMPT_VERSION_TAG", "PROMPT_ALIAS"];
    static readonly string[] Actions = ["", "CREATED", "UPDATED", "DELETED", "SET"];

    public async Task Create(HttpContext http, MlflowRequest request)
    {
        var (name, url) = (request.Text("name"), request.Text("url"));
        var events = Events(request);
        if (events.Count == 0) throw request.RawOrNull("events") is null ? MlflowRequest.Missing("events") : TaktException.Invalid("Webhook events must be a non-empty list of WebhookEvent objects: [].");
        await Answer(http, await webhooks.Create(request.Workspace, name, url, events, Filled(request, "description"), Filled(request, "secret"), Active(request) ?? true));
    }

    public Task List(HttpContext http, MlflowRequest request)
    {
        var limit = request.NumberOrNull("max_results") is { } asked and not 0 ? asked : 100;
        if (limit is < 1 or > 1000) throw TaktException.Invalid("max_results must be between 1 and 1000.");
        return MlflowAnswer.Page(http, "webhooks", webhooks.List(request.Workspace, (int)limit, request.TextOrNull("page_token")), Write);
    }

    public Task Get(HttpContext http, MlflowRequest request) => Answer(http, webhooks.Get(request.Workspace, Id(http)));

    public async Task Update(HttpContext http, MlflowRequest request) => await Answer(http, await webhooks.Update(request.Workspace, Id(http), Filled(request, "name"), Filled(request, "url"),
        Events(request) is { Count: > 0 } events ? events : null, Filled(request, "description"), Filled(request, "secret"), Active(request)));

    public async Task Delete(HttpContext http, MlflowRequest request)
    {
        await webhooks.Delete(request.Workspace, Id(http));
        await MlflowAnswer.Empty(http);
    }

    public async Task Test(HttpContext http, MlflowRequest request)
    {
        var webhook = webhooks.Get(request.Workspace, Id(http));
        var what = request.ObjectOrNull("event") is { } named ? Event(named) : webhook.Events[0];
        var result = await sender.Test(webhook, what, http.RequestAborted);
        await MlflowAnswer.Write(http, json =>
        {
            json.WriteStartObject("result");
            json.WriteBoolean("success", result.Success);
            if (result.Status is { } status) json.WriteNumber("response_status", status);
            if (result.Body is not null) json.WriteString("response_body", result.Body);
            if (result.Error is not null) json.WriteString("error_message", result.Error);
            json.WriteEndObject();
        });
    }

    static string Id(HttpContext http) => (string)http.Request.RouteValues["webhook"]!;

    static string? Filled(MlflowRequest request, string name) => request.TextOrNull(name) is { Length: > 0 } text ? text : null;

    static List<WebhookEvent> Events(MlflowRequest request) => request.Objects("events").ConvertAll(Event);

    static WebhookEvent Event(MlflowRequest request) => WebhookEvent.Parse(Named(request, "entity", Entities), Named(request, "action", Actions));

    static string Named(MlflowRequest request, string member, string[] numbers) => request.IdOrNull(member) is not { Length: > 0 } text ? throw MlflowRequest.Missing(member)
        : int.TryParse(text, out var number) && number > 0 && number < numbers.Length ? numbers[number] : text;

    static bool? Active(MlflowRequest request) => request.IdOrNull("status") switch
    {
        null or "" => null,
        "ACTIVE" or "1" => true,
        "DISABLED" or "2" => false,
        var other => throw TaktException.Invalid($"Invalid value {other} for parameter 'status' supplied: ACTIVE or DISABLED. See the API docs for more information about request parameters."),
    };

    static Task Answer(HttpContext http, Webhook webhook) => MlflowAnswer.Write(http, json =>
    {
        json.WriteStartObject("webhook");
        Write(json, webhook);
        json.WriteEndObject();
    });

    static void Write(Utf8JsonWriter json, Webhook webhook)
    {
        json.WriteString("webhook_id", webhook.Id);
        json.WriteString("name", webhook.Name);
        if (webhook.Description is not null) json.WriteString("description", webhook.Description);
        json.WriteString("url", webhook.Url);
        json.WriteStartArray("events");
        foreach (var what in webhook.Events)
        {
            json.WriteStartObject();
            json.WriteString("entity", what.Entity.ToUpperInvariant());
            json.WriteString("action", what.Action.ToUpperInvariant());
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteString("status", webhook.Active ? "ACTIVE" : "DISABLED");
        json.WriteNumber("creation_timestamp", webhook.CreatedAt.ToUnixTimeMilliseconds());
        json.WriteNumber("last_updated_timestamp", webhook.UpdatedAt.ToUnixTimeMilliseconds());
    }
}
