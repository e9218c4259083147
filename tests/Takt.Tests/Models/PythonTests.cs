using System.Diagnostics;
using Takt.Data;
using Takt.ML.Runtimes;
using Takt.Models;

namespace Takt.Tests.Models;

public sealed class PythonTests
{
    static Table X(params double[] x) => new([Column.Of("x", x)]);

    static double Number(Table answer) => answer["y"].Numbers[0];

    [Fact]
    public void Columns_of_every_type_reach_a_script_and_come_back_as_they_were()
    {
        using var package = new PythonPackage("""
            def predict(model, columns):
                assert columns["l"][0] == 2**62 and columns["l"][1] is None, columns
                return {"b2": columns["b"], "l2": columns["l"], "d2": columns["d"], "s2": columns["s"], "t2": columns["t"], "i2": columns["i"]}
            """, "b: boolean, l: long, i: integer, d: double, s: string, t: datetime", "b2: boolean, l2: long, i2: integer, d2: double, s2: string, t2: datetime");
        using var model = package.Load();
        bool[] second = [false, true, false];
        var answer = model.Predict(new Table([
            Column.Of("b", [true, false, false], second), Column.Of("l", [1L << 62, 0, -5], second), Column.Of("i", [1L, 2, int.MinValue]), Column.Of("d", [1.5, double.NaN, double.NegativeInfinity]),
            Column.Of("s", ["grüße 🦊", null, ""]), Column.OfTimes("t", [1_700_000_000_123_456, 0, -1], second)]));
        Assert.Equal(["b2", "l2", "i2", "d2", "s2", "t2"], answer.Columns.Select(c => c.Name));
        Assert.Equal([ColumnType.Boolean, ColumnType.Integer, ColumnType.Integer, ColumnType.Number, ColumnType.Text, ColumnType.Time], answer.Columns.Select(c => c.Type));
        Assert.Equal((true, false), (answer["b2"].Booleans[0], answer["b2"].Booleans[2]));
        Assert.Equal((1L << 62, -5L), (answer["l2"].Integers[0], answer["l2"].Integers[2]));
        Assert.Equal([1L, 2, int.MinValue], answer["i2"].Integers);
        Assert.Equal([1.5, double.NaN, double.NegativeInfinity], answer["d2"].Numbers);
        Assert.Equal(["grüße 🦊", null, ""], answer["s2"].Texts);
        Assert.Equal((1_700_000_000_123_456, -1L), (answer["t2"].Integers[0], answer["t2"].Integers[2]));
        foreach (var name in (string[])["b2", "l2", "s2", "t2"]) Assert.Equal([false, true, false], Enumerable.Range(0, 3).Select(answer[name].IsMissing));
    }

    [Theory]
    [InlineData("return [v * 2 for v in columns['x']]")]
    [InlineData("return [[v * 2] for v in columns['x']]")]
    [InlineData("return [{'y': v * 2} for v in columns['x']]")]
    [InlineData("return {'y': [v * 2 for v in columns['x']], 'more': columns['x']}")]
    [InlineData("import array; return array.array('d', [v * 2 for v in columns['x']])")]
    [InlineData("return [int(v * 2) for v in columns['x']]")]
    public void An_answer_may_have_any_usual_form(string body)
    {
        using var package = new PythonPackage($"def predict(model, columns):\n    {body}\n");
        using var model = package.Load();
        Assert.Equal([2.0, 6], model.Predict(X(1, 3))["y"].Numbers);
    }

    [Fact]
    public void A_model_is_loaded_once_with_its_folder_and_what_lies_beside_it()
    {
        using var package = new PythonPackage("""
            import factors
            def load(folder):
                print("this is no answer")
                return float(open(folder + "/weights.txt").read())
            def predict(model, columns):
                print("nor is this")
                return [v * model * factors.TWO for v in columns["x"]]
            """);
        File.WriteAllText(Path.Combine(package.Folder, "weights.txt"), "10");
        File.WriteAllText(Path.Combine(package.Folder, "factors.py"), "TWO = 2\n");
        using var model = package.Load();
        Assert.Equal([20.0], model.Predict(X(1))["y"].Numbers);
        Assert.False(Directory.Exists(Path.Combine(package.Folder, "__pycache__")));
    }

    [Fact]
    public async Task Requests_that_wait_are_answered_in_one_call_and_each_gets_its_own_rows()
    {
        using var package = new PythonPackage("""
            import time
            def predict(model, columns):
                time.sleep(0.05)
                return {"y": columns["x"], "size": [len(columns["x"])] * len(columns["x"])}
            """, outputs: "y: double, size: long");
        using var model = package.Load();
        var answers = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => model.Answer(X(i, i + 0.5), default).AsTask()));
        for (var i = 0; i < answers.Length; i++) Assert.Equal(X(i, i + 0.5)["x"].Numbers, answers[i]["y"].Numbers);
        Assert.InRange(answers.Max(a => a["size"].Integers[0]), 40, 80); // those that came while the first was computed
    }

    [Fact]
    public async Task Batches_keep_to_their_bound_and_a_delay_collects_them()
    {
        using var package = new PythonPackage("def predict(model, columns):\n    return [float(len(columns['x']))] * len(columns['x'])\n");
        using var model = package.Load(new RuntimeSettings(Workers: 1, BatchRows: 8, BatchDelay: TimeSpan.FromSeconds(5)));
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => model.Answer(X(i), default).AsTask()));
        Assert.All(answers, a => Assert.Equal(8, a["y"].Numbers[0]));
        using var alone = package.Load(new RuntimeSettings(Workers: 1, BatchRows: 1));
        answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => alone.Answer(X(i), default).AsTask()));
        Assert.All(answers, a => Assert.Equal(1, a["y"].Numbers[0]));
    }

    [Fact]
    public async Task A_row_that_the_model_refuses_fails_its_own_request_only()
    {
        using var package = new PythonPackage("""
            import time
            def predict(model, columns):
                time.sleep(0.02)
                for v in columns["x"]:
                    if v == 7: raise ValueError("seven is odd")
                return columns["x"]
            """);
        using var model = package.Load();
        var asked = Enumerable.Range(0, 20).Select(i => model.Answer(X(i), default).AsTask()).ToList();
        for (var i = 0; i < asked.Count; i++)
            if (i != 7) Assert.Equal(i, Number(await asked[i]));
        var fault = await Assert.ThrowsAsync<TaktException>(() => asked[7]);
        Assert.Equal((TaktError.Invalid, "the model failed: ValueError: seven is odd (predict.py, line 5)"), (fault.Error, fault.Message));
        Assert.Equal(0, model.Pool.Restarts);
    }

    [Fact]
    public async Task A_model_whose_answer_has_other_rows_is_told_so()
    {
        using var package = new PythonPackage("def predict(model, columns):\n    return [1.0]\n");
        using var model = package.Load();
        Assert.Equal([1.0], model.Predict(X(5))["y"].Numbers);
        Assert.Contains("1 values for 2 rows", (await Assert.ThrowsAsync<TaktException>(() => model.Answer(X(1, 2), default).AsTask())).Message);
        // merged it would fail; each for itself it is right
        var answers = await Task.WhenAll(Enumerable.Range(0, 10).Select(i => model.Answer(X(i), default).AsTask()));
        Assert.All(answers, a => Assert.Equal([1.0], a["y"].Numbers));
    }

    [Fact]
    public async Task The_request_of_a_killed_worker_is_unavailable_and_the_next_is_served()
    {
        using var package = new PythonPackage("""
            import os, time
            def predict(model, columns):
                if columns["x"][0] < 0:
                    open("busy", "w").close()
                    time.sleep(60)
                return [float(os.getpid())] * len(columns["x"])
            """);
        using var model = package.Load();
        var before = Number(model.Predict(X(1)));
        var asked = model.Answer(X(-1), default).AsTask();
        while (!File.Exists(Path.Combine(package.Folder, "busy"))) await Task.Delay(10);
        using (var worker = Process.GetProcessById((int)before)) worker.Kill();
        var fault = await Assert.ThrowsAsync<TaktException>(() => asked);
        Assert.Equal(TaktError.Unavailable, fault.Error);
        Assert.Contains("signal 9", fault.Message);
        Assert.NotEqual(before, Number(await model.Answer(X(1), default)));
        // and one that is killed while nobody asks costs no request at all
        var idle = model.Pool.Processes.Single();
        using (var worker = Process.GetProcessById(idle)) worker.Kill();
        while (Alive(idle)) await Task.Delay(10);
        for (var i = 0; i < 5; i++) Assert.True(Number(await model.Answer(X(1), default)) > 0);
        Assert.Equal(2, model.Pool.Restarts);
    }

    [Fact]
    public async Task A_model_that_takes_too_long_is_ended_and_its_successor_answers()
    {
        using var package = new PythonPackage("""
            def predict(model, columns):
                while columns["x"][0] < 0: pass
                return columns["x"]
            """);
        using var model = package.Load(new RuntimeSettings(Workers: 1, Timeout: TimeSpan.FromSeconds(0.5)));
        var fault = await Assert.ThrowsAsync<TaktException>(() => model.Answer(X(-1), default).AsTask());
        Assert.Equal(TaktError.Unavailable, fault.Error);
        Assert.Contains("longer than 0.5 s", fault.Message);
        Assert.Equal(3, Number(await model.Answer(X(3), default)));
    }

    [Fact]
    public async Task A_worker_that_holds_too_much_memory_is_replaced()
    {
        using var package = new PythonPackage("""
            import os
            held = []
            def predict(model, columns):
                if columns["x"][0] == 1: held.append(b"x" * (100 << 20))
                if columns["x"][0] == 2: held.append(bytearray(4 << 30))
                return [float(os.getpid())] * len(columns["x"])
            """);
        using var model = package.Load(new RuntimeSettings(Workers: 1, Memory: 100 << 20));
        var first = Number(model.Predict(X(0)));
        Assert.Equal(first, Number(model.Predict(X(1)))); // over the bound: answered, then replaced
        while (model.Pool.Restarts == 0) await Task.Delay(20);
        var second = Number(await model.Answer(X(0), default));
        Assert.NotEqual(first, second);
        var fault = await Assert.ThrowsAsync<TaktException>(() => model.Answer(X(2), default).AsTask()); // far over it: refused by the system itself
        Assert.Equal(TaktError.Unavailable, fault.Error);
        Assert.Contains("ran out of memory", fault.Message);
        Assert.NotEqual(second, Number(await model.Answer(X(0), default)));
    }

    [Fact]
    public async Task What_a_worker_said_last_is_told_without_secrets()
    {
        Environment.SetEnvironmentVariable("TAKT_SECRET_PYTHON_TEST", "hunter2hunter2");
        try
        {
            using var package = new PythonPackage("""
                import os, sys
                def predict(model, columns):
                    if columns["x"][0] < 0:
                        sys.stderr.write("x" * 100000 + "\nthe password is hunter2" + "hunter2\n")
                        os._exit(3)
                    return [float(len([n for n in os.environ if n.startswith("TAKT")]))]
                """);
            using var model = package.Load();
            Assert.Equal([0.0], model.Predict(X(1))["y"].Numbers);
            var fault = await Assert.ThrowsAsync<TaktException>(() => model.Answer(X(-1), default).AsTask());
            Assert.Contains("exit code 3", fault.Message);
            Assert.Contains("the password is ***", fault.Message);
            Assert.DoesNotContain("hunter2", fault.Message);
            Assert.True(fault.Message.Length < 3000);
        }
        finally
        {
            Environment.SetEnvironmentVariable("TAKT_SECRET_PYTHON_TEST", null);
        }
    }

    [Theory]
    [InlineData("import no_such_module_here\n", TaktError.NotSupported, "the Python module 'no_such_module_here', which python3 (Python 3")]
    [InlineData("def predict(:\n", TaktError.Invalid, "SyntaxError")]
    [InlineData("x = 1\n", TaktError.Invalid, "predict.py has no function predict(model, columns)")]
    [InlineData("def load(folder):\n    raise KeyError('w')\ndef predict(m, c):\n    pass\n", TaktError.Invalid, "KeyError: 'w' (predict.py, line 2)")]
    [InlineData("import os\nos._exit(4)\n", TaktError.Unavailable, "exit code 4")]
    public void A_script_that_can_not_be_loaded_is_told_with_its_reason(string script, TaktError error, string message)
    {
        using var package = new PythonPackage(script);
        var fault = Assert.Throws<TaktException>(() => package.Load(python: "python3"));
        Assert.Equal(error, fault.Error);
        Assert.Contains(message, fault.Message);
    }

    [Fact]
    public void An_interpreter_that_is_not_there_is_told_with_what_to_set()
    {
        using var package = new PythonPackage("def predict(m, c):\n    return c['x']\n");
        var fault = Assert.Throws<TaktException>(() => package.Load(new RuntimeSettings("/no/such/python")));
        Assert.Contains("'/no/such/python' can't be started", fault.Message);
        Assert.Contains("TAKT_PYTHON", fault.Message);
    }

    [Fact]
    public void The_signature_is_enforced_with_every_fault_at_once()
    {
        using var package = new PythonPackage("def predict(m, c):\n    return c['x']\n", "x: double, n: integer, s: string, b: boolean");
        using var model = package.Load();
        var fault = Assert.Throws<TaktException>(() => model.Predict(new Table([Column.Of("x", ["text"]), Column.Of("n", [1L << 40]), Column.Of("b", [2L])])));
        Assert.Equal(
            ["input 'x' must be double, not text", "input 'n', row 0: 1099511627776 does not fit into an integer of 32 bits", "input 's' (string) is missing", "input 'b' must be boolean, not integer"], fault.Faults);
        using var wrong = new PythonPackage("def predict(m, c):\n    return ['a'] * len(c['x'])\n");
        using var texts = wrong.Load();
        Assert.Contains("text values for the output 'y', which is double", Assert.Throws<TaktException>(() => texts.Predict(X(1))).Message);
    }

    [Theory]
    [InlineData("signature: { inputs: '[{\"type\":\"double\",\"name\":\"a\"},{\"type\":\"long\",\"name\":\"b\",\"required\":false}]', outputs: '[{\"type\":\"tensor\",\"tensor-spec\":{\"dtype\":\"int64\",\"shape\":[-1]}}]' }", "a:Double b:Long? -> prediction:Long")]
    [InlineData("signature: { inputs: '[{\"type\":\"tensor\",\"tensor-spec\":{\"dtype\":\"float32\",\"shape\":[-1,2]}}]', outputs: null }", "x0:Float x1:Float -> prediction:Double")]
    [InlineData("signature: { inputs: [ { name: a, type: string } ], outputs: '[{\"type\":\"string\"},{\"type\":\"double\"}]' }", "a:String -> prediction_0:String prediction_1:Double")]
    public void Every_form_of_a_signature_is_read(string signature, string expected)
    {
        using var package = new PythonPackage("");
        File.WriteAllText(Path.Combine(package.Folder, "MLmodel"), $"flavors:\n  python_function: {{ loader_module: mlflow.sklearn, model_path: model.pkl, predict_fn: predict }}\n{signature}\n");
        var read = ModelPackage.Open(package.Folder).Info.Signature;
        Assert.Equal(expected, $"{string.Join(' ', read.Inputs.Select(f => $"{f.Name}:{f.Type}{(f.Required ? "" : "?")}"))} -> {string.Join(' ', read.Outputs.Select(f => $"{f.Name}:{f.Type}"))}");
    }

    [Theory]
    [InlineData("", "has no signature, so Takt can't know what to ask the model for")]
    [InlineData("signature: { inputs: '[{\"type\":\"array\",\"name\":\"a\"}]' }", "'a' of the signature's inputs is array")]
    [InlineData("signature: { inputs: '[{\"type\":\"tensor\",\"tensor-spec\":{\"dtype\":\"float32\",\"shape\":[-1,28,28]}}]' }", "one array of numbers with the shape [-1, columns]")]
    [InlineData("signature: { inputs: '[' }", "can't be read")]
    [InlineData("signature: { inputs: { a: double } }\nmetadata: { task: clustering }", "metadata.task is 'clustering'")]
    public void A_signature_that_can_not_be_served_is_refused_in_words(string signature, string message)
    {
        using var package = new PythonPackage("");
        File.WriteAllText(Path.Combine(package.Folder, "MLmodel"), $"flavors:\n  python_function: {{ loader_module: m }}\n{signature}\n");
        Assert.Contains(message, Assert.Throws<TaktException>(() => ModelPackage.Open(package.Folder)).Message);
    }

    /// <summary>The interpreter that Debian's python3-sklearn belongs to.</summary>
    const string Debian = "/usr/bin/python3";

    [Fact]
    public async Task A_scikit_learn_pipeline_that_MLflow_logged_answers_as_in_Python()
    {
        using var package = new PythonPackage("");
        await File.WriteAllTextAsync(Path.Combine(package.Folder, "MLmodel"), """
            flavors:
              python_function: { loader_module: mlflow.sklearn, model_path: model.pkl, predict_fn: predict_proba }
              sklearn: { pickled_model: model.pkl, serialization_format: cloudpickle, sklearn_version: 1.2.1 }
            signature:
              inputs: '[{"type":"double","name":"a"},{"type":"string","name":"c"},{"type":"long","name":"n"}]'
              outputs: '[{"type":"tensor","tensor-spec":{"dtype":"float64","shape":[-1,2]}}]'
            """);
        await Python(Debian, """
            import pickle, random, sys
            import pandas as pd
            from sklearn.compose import ColumnTransformer
            from sklearn.linear_model import LogisticRegression
            from sklearn.pipeline import make_pipeline
            from sklearn.preprocessing import OneHotEncoder
            r = random.Random(1)
            x = pd.DataFrame({"a": [r.random() for _ in range(300)], "c": [r.choice("uvw") for _ in range(300)], "n": [r.randrange(5) for _ in range(300)]})
            y = (x.a + (x.c == "u") + x.n / 5 > 1).astype(int)
            m = make_pipeline(ColumnTransformer([("c", OneHotEncoder(handle_unknown="ignore"), ["c"])], remainder="passthrough"), LogisticRegression()).fit(x, y)
            pickle.dump(m, open(sys.argv[1] + "/model.pkl", "wb"))
            x.assign(p=m.predict_proba(x)[:, 1]).to_csv(sys.argv[1] + "/expected.csv", index=False)
            """, package.Folder);
        using var model = package.Load(python: Debian);
        Assert.StartsWith("Python 3.", model.Pool.With);
        Assert.Equal(["prediction_0", "prediction_1"], model.Signature.Outputs.Select(f => f.Name));
        var expected = Tables.Read(Path.Combine(package.Folder, "expected.csv"));
        Assert.Equal(expected["p"].Numbers[..300], model.Predict(expected)["prediction_1"].Numbers);

        var scored = Path.Combine(package.Folder, "scored.parquet");
        Assert.Equal(300, await BatchScore.Run(model, [Path.Combine(package.Folder, "expected.csv")], scored));
        Assert.Equal(expected["p"].Numbers[..300], Tables.Read(scored)["prediction_1"].Numbers[..300]);
    }

    [Fact]
    public async Task A_python_function_without_mlflow_and_without_a_pickle_says_what_is_missing()
    {
        using var package = new PythonPackage("");
        await File.WriteAllTextAsync(Path.Combine(package.Folder, "MLmodel"), "flavors:\n  python_function: { loader_module: mlflow.prophet }\nsignature: { inputs: { x: double } }\n");
        var fault = Assert.Throws<TaktException>(() => package.Load(new RuntimeSettings(Debian)));
        Assert.Equal(TaktError.NotSupported, fault.Error);
        Assert.Contains("the Python module 'mlflow', which /usr/bin/python3 (Python 3.", fault.Message);
    }

    [Fact]
    public async Task No_worker_outlives_a_server_that_was_killed()
    {
        using var package = new PythonPackage("""
            import subprocess, os
            def predict(model, columns):
                child = subprocess.Popen(["sleep", "300"])
                open("pids.tmp", "w").write("%d %d" % (os.getpid(), child.pid))
                os.rename("pids.tmp", "pids")
                while True: pass
            """);
        await File.WriteAllBytesAsync(Path.Combine(package.Folder, "worker.py"), Worker());
        await File.WriteAllTextAsync(Path.Combine(package.Folder, "server.py"), """
            import json, struct, subprocess, sys, time
            worker = subprocess.Popen([sys.executable, "worker.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=sys.argv[1])
            def send(kind, body): worker.stdin.write(struct.pack("<IB", len(body) + 1, ord(kind)) + body); worker.stdin.flush()
            send("L", json.dumps({"folder": sys.argv[1], "script": "predict.py", "fields": {}, "code": []}).encode())
            send("P", struct.pack("<II", 1, 0))
            time.sleep(300)
            """);
        using var server = Process.Start("python3", [Path.Combine(package.Folder, "server.py"), package.Folder]);
        var file = Path.Combine(package.Folder, "pids");
        while (!File.Exists(file)) await Task.Delay(20);
        var pids = (await File.ReadAllTextAsync(file)).Split(' ').Select(int.Parse).ToList();
        server.Kill();
        await server.WaitForExitAsync();
        foreach (var pid in pids)
            while (Alive(pid)) await Task.Delay(50);
    }

    /// <summary>A zombie is not.</summary>
    static bool Alive(int pid)
    {
        try
        {
            return !File.ReadAllText($"/proc/{pid}/stat").Contains(") Z ", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }

    static byte[] Worker()
    {
        using var stream = typeof(PythonRuntime).Assembly.GetManifestResourceStream("worker.py")!;
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    static async Task Python(string python, string code, params string[] args)
    {
        using var process = Process.Start(new ProcessStartInfo(python, ["-c", code, .. args]) { RedirectStandardError = true })!;
        var error = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, error);
    }
}
