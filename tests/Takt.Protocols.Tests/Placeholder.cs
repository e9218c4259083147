namespace Takt.Protocols.Tests;
