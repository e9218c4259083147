using System.Diagnostics;

namespace Takt.Storage.Tests;

/// <summary>A file system of a few MiB, to run out of: ext4 in a file that is mounted, or in memory where loop devices can't be had. Mounting needs root: elsewhere the test is skipped and says so.</summary>
sealed class SmallDisk : IDisposable
{
    readonly string _image;

    SmallDisk(string folder, string image) => (Folder, _image) = (folder, image);

    public string Folder { get; }

    public static SmallDisk Mount(int mebibytes)
    {
        var folder = Directory.CreateTempSubdirectory("takt-disk").FullName;
        var image = folder + ".img";
        using (var file = File.Create(image)) file.SetLength((long)mebibytes << 20);
        if (Run("mkfs.ext4", "-q", "-F", "-m", "0", image) && Run("mount", "-o", "loop", image, folder)) return new SmallDisk(folder, image);
        if (Run("mount", "-t", "tmpfs", "-o", $"size={mebibytes}m", "tmpfs", folder)) return new SmallDisk(folder, image);
        File.Delete(image);
        Directory.Delete(folder);
        Assert.Skip("mounting a small tmpfs needs root");
        throw new UnreachableException();
    }

    public void Dispose()
    {
        Run("umount", "-l", Folder);
        Directory.Delete(Folder);
        File.Delete(_image);
    }

    static bool Run(string program, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
            process.StandardError.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
