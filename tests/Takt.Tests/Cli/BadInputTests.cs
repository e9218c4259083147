using System.Net;
using System.Net.Sockets;

namespace Takt.Tests.Cli;

/// <summary>What goes wrong on a user's desk: each is one line that names what, which one and what to do, with the documented exit code.</summary>
public sealed class BadInputTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt-cli").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_file_that_may_not_be_used_is_named_with_who_may_not_and_what_to_do()
    {
        var file = Path.Combine(_folder, "a.csv");
        File.WriteAllText(file, "");
        string Words(string path) => Takt.Storage.StorageFaults.InWords(new UnauthorizedAccessException($"Access to the path '{path}' is denied."));
        Assert.StartsWith($"'{file}' may not be read or written by {Environment.UserName}; give it to this user (ls -l", Words(file));
        Assert.StartsWith($"the folder '{_folder}' may not be used by ", Words(_folder));
        Assert.Equal("it's odd", Takt.Storage.StorageFaults.InWords(new IOException("it's odd"))); // one quote names no file
    }

    [Fact]
    public async Task Arguments_that_may_be_left_out_are_told_from_those_that_may_not()
    {
        var told = (await TaktProcess.Run(_folder, "help")).Out;
        Assert.Contains("  run [STAGE] ", told);
        Assert.Contains("  why <what> ", told);
    }

    [Fact]
    public async Task Broken_YAML_is_named_by_line_and_column()
    {
        Write("takt.yaml", "takt: 1\nproject: p\nstages:\n  a: { run: 'echo\n");
        Expect(await TaktProcess.Run(_folder, "run"), 2, "takt.yaml:");
    }

    [Fact]
    public async Task Every_fault_of_the_project_file_is_told_at_once_with_a_suggestion()
    {
        Write("takt.yaml", "takt: 1\nproject: p\nstages:\n  a:\n    rnu: echo hi\n    out: [a.txt]\n  b:\n    run: echo hi\n    timeuot: 5m\n");
        var ended = await TaktProcess.Run(_folder, "run");
        Expect(ended, 2, "takt.yaml:5:5", "did you mean 'run'", "takt.yaml:9:5", "did you mean 'timeout'");
    }

    [Fact]
    public async Task A_cycle_is_named_as_a_path()
    {
        Write("takt.yaml", "takt: 1\nproject: p\nstages:\n  a: { run: cp y x, in: [y], out: [x] }\n  b: { run: cp x y, in: [x], out: [y] }\n");
        Expect(await TaktProcess.Run(_folder, "run"), 2, "a", "b", "→");
    }

    [Fact]
    public async Task A_missing_input_file_is_named_with_its_stage()
    {
        Write("takt.yaml", "takt: 1\nproject: p\nstages:\n  a: { run: cp raw.csv x, in: [raw.csv], out: [x] }\n");
        var ended = await TaktProcess.Run(_folder, "run");
        Assert.NotEqual(0, ended.ExitCode);
        Contains(ended, "raw.csv", "a");
    }

    [Fact]
    public async Task An_empty_table_stops_the_pipeline()
    {
        Table("id,amount\n");
        var ended = await TaktProcess.Run(_folder, "run");
        Assert.Equal(1, ended.ExitCode);
        Contains(ended, "empty");
    }

    [Fact]
    public async Task A_column_that_vanished_is_named()
    {
        Table("id\n1\n2\n");
        var ended = await TaktProcess.Run(_folder, "run");
        Assert.Equal(1, ended.ExitCode);
        Contains(ended, "amount");
    }

    [Fact]
    public async Task Text_in_a_numeric_column_is_named()
    {
        Table("id,amount\n1,5\n2,six\n");
        var ended = await TaktProcess.Run(_folder, "run");
        Assert.Equal(1, ended.ExitCode);
        Contains(ended, "amount");
    }

    [Fact]
    public async Task A_failing_expectation_names_the_column_the_rule_the_count_and_rows()
    {
        Table("id,amount\n1,5\n2,-7\n3,-8\n");
        var ended = await TaktProcess.Run(_folder, "run");
        Assert.Equal(1, ended.ExitCode);
        Contains(ended, "amount", "min", "2", "-7", "-8");
    }

    [Fact]
    public async Task A_port_in_use_is_named()
    {
        Write("takt.yaml", "takt: 1\nproject: p\n");
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;
        var ended = await TaktProcess.Run(_folder, "serve", "--port", port.ToString());
        Assert.NotEqual(0, ended.ExitCode);
        Contains(ended, port.ToString());
    }

    [Fact]
    public async Task One_port_for_HTTP_and_gRPC_is_refused()
    {
        Write("takt.yaml", "takt: 1\nproject: p\n");
        Contains(await TaktProcess.Run(_folder, "serve", "--port", "8001", "--grpc-port", "8001"), "--grpc-port", "8001", "another port than --port");
        Contains(await TaktProcess.Run(_folder, "serve", "--grpc-port", "70000"), "--grpc-port must be 0 to 65535");
    }

    [Fact]
    public async Task A_second_server_on_one_folder_is_refused()
    {
        Write("takt.yaml", "takt: 1\nproject: p\n");
        using var first = TaktProcess.Start(_folder, "serve", "--port", "0");
        try
        {
            Assert.Contains("http://127.0.0.1:", await FirstLine(first));
            var ended = await TaktProcess.Run(_folder, "serve", "--port", "0");
            Expect(ended, 6, "serve", first.Id.ToString());
        }
        finally
        {
            first.Kill(entireProcessTree: true);
            await first.WaitForExitAsync();
        }
    }

    [Fact]
    public async Task An_unknown_command_says_what_was_meant()
    {
        var ended = await TaktProcess.Run(_folder, "rnu");
        Expect(ended, 2, "rnu", "did you mean", "run");
        Assert.True(ended.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length <= 3, ended.Error);
    }

    [Fact]
    public async Task A_name_that_a_dataset_shares_with_its_folder_is_the_dataset()
    {
        Directory.CreateDirectory(Path.Combine(_folder, "trips"));
        Write("trips/a.csv", "id,n\n1,5\n2,6\n");
        Write("rules.yaml", "rows: { change: 10% }\n");
        await TaktProcess.Run(_folder, "data", "add", "trips");
        Write("trips/a.csv", "id,n\n1,5\n2,6\n3,7\n");
        await TaktProcess.Run(_folder, "data", "commit", "trips");
        Contains(await TaktProcess.Run(_folder, "data", "check", "trips", "--expect", "rules.yaml"), "FAIL rows.change", "trips: 3 rows");
        Contains(await TaktProcess.Run(_folder, "data", "check", "trips/", "--expect", "rules.yaml"), "skip rows.change: there is no version before");
    }

    [Theory]
    [InlineData("log", "flights")]
    [InlineData("sql", "select 1")]
    [InlineData("gc")]
    [InlineData("checks", "flights")]
    public async Task A_look_for_data_in_a_folder_without_any_leaves_nothing_there(params string[] command)
    {
        Expect(await TaktProcess.Run(_folder, ["data", .. command]), 4, "no data in", "takt data add FOLDER");
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder));
    }

    [Fact]
    public async Task A_store_for_blobs_of_another_kind_is_no_folder()
    {
        Write("takt.yaml", "takt: 1\nproject: p\nstages:\n  a: { run: echo hi }\n");
        Expect(await TaktProcess.Run(_folder, "models", "list", "--blobs", "gs://bucket/takt"), 2, "'gs:' is no kind of store for blobs", "s3://bucket");
        Assert.False(Directory.Exists(Path.Combine(_folder, "gs:")));
    }

    [Fact]
    public async Task A_mistyped_command_is_named_even_when_the_word_after_it_is_one() =>
        Expect(await TaktProcess.Run(_folder, "depoly", "status"), 2, "'depoly' is no command of takt; did you mean 'deploy'?");

    [Fact]
    public async Task Help_of_a_command_needs_none_of_its_arguments()
    {
        var ended = await TaktProcess.Run(_folder, "why", "--help");
        Expect(ended, 0, "takt why train");
    }

    [Fact]
    public async Task An_unknown_option_is_not_taken_for_a_stage()
    {
        Write("takt.yaml", "takt: 1\nproject: p\nstages:\n  a: { run: echo hi }\n");
        Expect(await TaktProcess.Run(_folder, "run", "--jsn"), 2, "'--jsn' is no option of takt run", "did you mean '--json'");
    }

    [Fact]
    public async Task Outside_a_project_the_way_in_is_told()
    {
        Expect(await TaktProcess.Run(_folder, "run"), 4, "takt.yaml", "takt init");
    }

    /// <summary>A project whose one dataset is this CSV, with expectations on its numbers.</summary>
    void Table(string csv)
    {
        Directory.CreateDirectory(Path.Combine(_folder, "incoming"));
        Write("incoming/t.csv", csv);
        Write("takt.yaml", """
            takt: 1
            project: p
            data:
              t:
                source: incoming/*.csv
                path: data/t/
                expect:
                  rows: { min: 1 }
                  columns:
                    id: { type: integer, nulls: 0 }
                    amount: { type: integer, min: 0 }
            """);
    }

    void Write(string path, string text) => File.WriteAllText(Path.Combine(_folder, path), text);

    static void Expect(TaktProcess.Ended ended, int code, params string[] parts)
    {
        Assert.True(code == ended.ExitCode, $"exit code {ended.ExitCode}, not {code}\n{ended.Out}{ended.Error}");
        Contains(ended, parts);
    }

    static void Contains(TaktProcess.Ended ended, params string[] parts)
    {
        var said = ended.Out + ended.Error;
        foreach (var part in parts) Assert.Contains(part, said);
        Assert.DoesNotContain("   at Takt.", said); // no stack trace
    }

    /// <summary>The first line that the server says on either stream.</summary>
    static async Task<string> FirstLine(System.Diagnostics.Process process)
    {
        var output = process.StandardOutput.ReadLineAsync();
        var error = process.StandardError.ReadLineAsync();
        return await (await Task.WhenAny(output, error)) ?? "";
    }
}
