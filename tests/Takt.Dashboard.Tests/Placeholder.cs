namespace Takt.Dashboard.Tests;
