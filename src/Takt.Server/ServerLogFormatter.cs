using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Takt.Server;

/// <summary>The console's own form, but for clients that were given up (<see cref="StalledClients"/>): the web server tells of each twice, with a stack; here it is a line.</summary>
sealed class ServerLogFormatter(IServiceProvider services) : ConsoleFormatter(FormatterName)
{
    public const string FormatterName = "takt";

    const string GivenUp = "A client that had not read its answers for too long was given up";

    ConsoleFormatter? _simple;

    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        _simple ??= services.GetServices<ConsoleFormatter>().First(formatter => formatter.Name == ConsoleFormatterNames.Simple);
        if (logEntry.Exception is not SocketException { SocketErrorCode: SocketError.TimedOut } || !logEntry.Category.StartsWith("Microsoft.AspNetCore.Server.Kestrel", StringComparison.Ordinal)) _simple.Write(logEntry, scopeProvider, textWriter);
        else if (logEntry.LogLevel == LogLevel.Error) _simple.Write(new LogEntry<TState>(LogLevel.Warning, logEntry.Category, logEntry.EventId, logEntry.State, null, (_, _) => GivenUp), scopeProvider, textWriter);
    }
}
