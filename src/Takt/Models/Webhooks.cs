using System.Buffers;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Takt.Runs;
using Takt.Storage;

namespace Takt.Models;

/// <summary>
/// Webhooks, and the queue of what they are still to be told. An event is queued in the transaction that makes it, so that it is neither lost nor told
/// of something that did not happen; it is delivered at least once.
/// </summary>
/// <param name="loopback">Http to this machine is allowed, for tests.</param>
public sealed partial class Webhooks(Database database, SecretBox secrets, TimeProvider time, bool loopback)
{
    /// <summary>Deliveries that may wait, of one webhook. Those after them are dropped and counted.</summary>
    public const int LongestQueue = 10_000;

    /// <summary>After the last the delivery is given up and counted: about two minutes after the first.</summary>
    public const int MostAttempts = 8;

    /// <summary>How long one server may take for an attempt before another tries.</summary>
    static readonly TimeSpan Lease = TimeSpan.FromSeconds(60);

    static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(60);

    const int LongestSecret = 1000, LongestUrl = 2048;

    // told by Tell, which has no instance: a change of any registry in this process is a reason to look
    static readonly SemaphoreSlim Bell = new(0, 1);

    public Task<Webhook> Create(Workspace workspace, string name, string url, IReadOnlyList<WebhookEvent> events, string? description, string? secret, bool active)
    {
        CheckName(name);
        CheckUrl(url);
        CheckSecret(secret);
        var id = Guid.NewGuid().ToString();
        var box = string.IsNullOrEmpty(secret) ? null : secrets.Lock(secret);
        return database.Write(session =>
        {
            var now = time.GetUtcNow();
            session.Execute($"""
                insert into webhook(id, workspace, name, description, url, events, secret, status, dropped, last_error, created, updated)
                values({id}, {workspace}, {name}, {description}, {url}, {Written(events)}, {box}, {(active ? "ACTIVE" : "DISABLED")}, {0}, {""}, {now}, {now})
                """);
            return Find(session, workspace, id)!;
        });
    }

    /// <exception cref="TaktException">NotFound.</exception>
    public Webhook Get(Workspace workspace, string id) => database.Read(session => Find(session, workspace, id)) ?? throw Unknown(id);

    /// <summary>The newest first.</summary>
    public Page<Webhook> List(Workspace workspace, int limit, string? token) => database.Read(session =>
    {
        var keys = new PageOrder([new(Sql.Raw("created"), PageOrder.Kind.Number, true), new(Sql.Raw("id"), PageOrder.Kind.Text, false)]);
        Sql after = keys.Place("webhooks", token) is { } place ? keys.After(place) : Sql.Raw("");
        var rows = session.Query($"select {Columns}, {keys.Columns} from webhook where workspace = {workspace} {after} order by {keys.OrderBy} limit {limit + 1}",
            row => (Hook: Row(row), Keys: keys.Read(row, 9)));
        return new Page<Webhook>([.. rows.Take(limit).Select(r => r.Hook)], rows.Count > limit ? PageOrder.Token("webhooks", rows[limit - 1].Keys) : null);
    });

    /// <summary>What is null stays as it is.</summary>
    /// <exception cref="TaktException">NotFound. Invalid.</exception>
    public Task<Webhook> Update(Workspace workspace, string id, string? name, string? url, IReadOnlyList<WebhookEvent>? events, string? description, string? secret, bool? active)
    {
        if (name is not null) CheckName(name);
        if (url is not null) CheckUrl(url);
        CheckSecret(secret);
        var box = string.IsNullOrEmpty(secret) ? null : secrets.Lock(secret);
        return database.Write(session =>
        {
            if (Find(session, workspace, id) is null) throw Unknown(id);
            if (name is not null) session.Execute($"update webhook set name = {name} where id = {id}");
            if (url is not null) session.Execute($"update webhook set url = {url} where id = {id}");
            if (events is not null) session.Execute($"update webhook set events = {Written(events)} where id = {id}");
            if (description is not null) session.Execute($"update webhook set description = {description} where id = {id}");
            if (box is not null) session.Execute($"update webhook set secret = {box} where id = {id}");
            if (active is { } on) session.Execute($"update webhook set status = {(on ? "ACTIVE" : "DISABLED")} where id = {id}");
            session.Execute($"update webhook set updated = {time.GetUtcNow()} where id = {id}");
            return Find(session, workspace, id)!;
        });
    }

    /// <summary>Deliveries that wait go with it.</summary>
    /// <exception cref="TaktException">NotFound.</exception>
    public Task Delete(Workspace workspace, string id) => database.Write(session =>
    {
        if (Find(session, workspace, id) is null) throw Unknown(id);
        session.Execute($"delete from webhook_delivery where webhook = {id}");
        session.Execute($"delete from webhook where id = {id}");
    });

    /// <summary>Queues an event for every webhook that wants it, within the transaction of the change itself.</summary>
    internal static void Tell(SqlSession session, Workspace workspace, WebhookEvent what, DateTimeOffset now, Action<Utf8JsonWriter> data)
    {
        var name = what.ToString();
        var pattern = $"% {name} %";
        var hooks = session.Query($"select id from webhook where workspace = {workspace} and status = {"ACTIVE"} and events like {pattern}", row => row.Text(0));
        if (hooks.Count == 0) return;
        var body = Body(what, now, data);
        // all queues in one pass: looked at one by one, 200 webhooks that nobody answers held each change of the registry up for seconds
        var full = session.Query($"select webhook from webhook_delivery group by webhook having count(*) >= {LongestQueue}", row => row.Text(0)).ToHashSet();
        foreach (var hook in hooks)
        {
            if (full.Contains(hook))
            {
                var why = $"{LongestQueue} deliveries wait; {name} was dropped"; // a local: a nested $"" would be read as SQL
                session.Execute($"update webhook set dropped = dropped + 1, last_error = {why} where id = {hook}");
                continue;
            }
            session.Execute($"""
                insert into webhook_delivery(id, webhook, event, body, attempts, due, created) values({Guid.NewGuid().ToString()}, {hook}, {name}, {body}, {0}, {now}, {now})
                """);
        }
        Ring();
    }

    /// <summary>The message that is sent, in MLflow's form.</summary>
    public static string Body(WebhookEvent what, DateTimeOffset now, Action<Utf8JsonWriter> data)
    {
        var bytes = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartObject();
            json.WriteString("entity", what.Entity);
            json.WriteString("action", what.Action);
            json.WriteString("timestamp", now.ToString("yyyy-MM-ddTHH:mm:ss.ffffffzzz", CultureInfo.InvariantCulture));
            json.WriteStartObject("data");
            data(json);
            json.WriteEndObject();
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }

    /// <summary>Waits until something may be due: at most a second, and less when a change in this process queued something.</summary>
    public static Task Wait(CancellationToken cancel) => Bell.WaitAsync(TimeSpan.FromSeconds(1), cancel);

    /// <summary>Deliveries that are due, taken for this server for a minute; at most one a webhook, so that each is told in order.</summary>
    public async Task<IReadOnlyList<WebhookDelivery>> Take(int most)
    {
        var now = time.GetUtcNow();
        if (database.Read(session => session.Number($"select 1 from webhook_delivery where due <= {now} limit 1")) is null) return [];
        return await database.Write(session =>
        {
            var due = session.Query($"""
                select d.id, d.webhook, h.url, d.body, d.attempts + 1 from webhook_delivery d join webhook h on h.id = d.webhook
                where d.due <= {now} and d.id in (select id from (select id, row_number() over (partition by webhook order by created, id) as place from webhook_delivery) queue where place = 1)
                order by d.due limit {most}
                """, row => new WebhookDelivery(row.Text(0), row.Text(1), row.Text(2), row.Text(3), (int)row.Number(4)));
            foreach (var delivery in due) session.Execute($"update webhook_delivery set attempts = {delivery.Attempt}, due = {now + Lease} where id = {delivery.Id}");
            return due;
        });
    }

    /// <summary>The delivery was taken, or is not to be tried again.</summary>
    /// <param name="error">Null: it was taken.</param>
    public async Task Done(WebhookDelivery delivery, string? error = null)
    {
        await database.Write(session =>
        {
            session.Execute($"delete from webhook_delivery where id = {delivery.Id}");
            if (error is not null) session.Execute($"update webhook set dropped = dropped + 1, last_error = {error} where id = {delivery.Webhook}");
        });
        Ring();
    }

    /// <summary>The delivery is tried again after a pause that doubles each time.</summary>
    /// <param name="after">What the receiver asked for.</param>
    public Task Again(WebhookDelivery delivery, TimeSpan? after) => database.Write(session =>
    {
        var pause = TimeSpan.FromSeconds(Math.Min(Math.Pow(2, delivery.Attempt - 1), LongestPause.TotalSeconds));
        if (after > pause) pause = after.Value < LongestPause ? after.Value : LongestPause;
        session.Execute($"update webhook_delivery set due = {time.GetUtcNow() + pause} where id = {delivery.Id}");
    });

    /// <summary><c>v1,</c> and the base64 of HMAC-SHA256 over <c>ID.TIMESTAMP.BODY</c>; null for a webhook without a secret.</summary>
    public string? Signature(string webhook, string delivery, string timestamp, string body)
    {
        var box = database.Read(session => session.Query($"select secret from webhook where id = {webhook}", row => row.IsNull(0) ? null : row.Bytes(0))).FirstOrDefault();
        return box is null ? null
            : "v1," + Convert.ToBase64String(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secrets.Unlock(box)), Encoding.UTF8.GetBytes($"{delivery}.{timestamp}.{body}")));
    }

    /// <exception cref="TaktException">Invalid: it may not be sent to.</exception>
    public void CheckUrl(string url)
    {
        if (string.IsNullOrWhiteSpace(url)) throw TaktException.Invalid($"Webhook URL cannot be empty or just whitespace: '{url}'");
        if (url.Length > LongestUrl) throw TaktException.Invalid($"'url' exceeds the maximum length of {LongestUrl} characters");
        var colon = url.IndexOf(':');
        var scheme = colon < 0 ? "" : url[..colon].ToLowerInvariant();
        if (scheme != "https" && !(loopback && scheme == "http"))
            throw TaktException.Invalid($"Invalid webhook URL scheme: '{scheme}'. Allowed schemes are: https.");
        if (!Uri.TryCreate(url, UriKind.Absolute, out var uri) || uri.Host.Length == 0) throw TaktException.Invalid($"Invalid webhook URL '{url}'");
        if (scheme == "http" && !IsThisMachine(uri)) throw TaktException.Invalid($"Webhook URL '{url}' may be http for this machine only (127.0.0.1, localhost). Allowed schemes are: https.");
    }

    static bool IsThisMachine(Uri uri) => uri.Host == "localhost" || (IPAddress.TryParse(uri.Host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address));

    static void CheckName(string name)
    {
        if (name.Length > 63 || !Names().IsMatch(name))
            throw TaktException.Invalid($"Webhook name '{name}' is invalid. It must start and end with a letter or digit, be less than 63 characters long, and contain only letters, digits, dots (.), underscores (_), and hyphens (-).");
    }

    static void CheckSecret(string? secret)
    {
        if (secret?.Length > LongestSecret) throw TaktException.Invalid($"'secret' exceeds the maximum length of {LongestSecret} characters");
    }

    static void Ring()
    {
        if (Bell.CurrentCount > 0) return;
        try
        {
            Bell.Release();
        }
        catch (SemaphoreFullException)
        {
            // somebody else rang
        }
    }

    static string Written(IReadOnlyList<WebhookEvent> events) => $" {string.Join(' ', events.Distinct())} ";

    static readonly Sql Columns = Sql.Raw("id, workspace, name, description, url, events, status, created, updated");

    static Webhook? Find(SqlSession session, Workspace workspace, string id) => session.First($"select {Columns} from webhook where workspace = {workspace} and id = {id}", Row);

    static Webhook Row(SqlRow row) => new(row.Text(0), new Workspace(row.Text(1)), row.Text(2), row.TextOrNull(3), row.Text(4),
        [.. row.Text(5).Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(e => WebhookEvent.All.First(known => known.ToString() == e))],
        row.Text(6) == "ACTIVE", row.Time(7), row.Time(8));

    static TaktException Unknown(string id) => TaktException.NotFound($"Webhook with ID {id} not found.");

    [GeneratedRegex(@"^[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?\z")]
    private static partial Regex Names();
}
