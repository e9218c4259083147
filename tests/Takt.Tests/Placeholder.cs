namespace Takt.Tests;
