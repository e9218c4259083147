namespace Takt.Data.Dvc;

/// <summary>One output that a pointer of DVC's names: a file, or a folder with the list of its files.</summary>
/// <param name="Pointer">The <c>.dvc</c> file or <c>dvc.lock</c>, from the root of the work tree.</param>
/// <param name="Path">From the root of the work tree.</param>
/// <param name="Md5">32 hex digits, for a folder with <c>.dir</c> behind them; null: the files are listed in the pointer itself.</param>
/// <param name="Legacy">DVC 2 took the MD5 of a text as if its lines ended with \n.</param>
/// <param name="Files">What the pointer lists; null: nothing, the list is an object of its own.</param>
/// <param name="Cloud">Where a versioned bucket has it.</param>
/// <param name="Remote">The remote that it goes to, when that is not the default one.</param>
sealed record DvcOutput(string Pointer, string Path, string? Md5, bool Legacy, IReadOnlyList<DvcFile>? Files, DvcCloud? Cloud, string? Remote)
{
    public bool IsFolder => Files is not null || Md5!.EndsWith(".dir", StringComparison.Ordinal);
}
