# Completion of chexp's commands and flags for PowerShell:
# chexp completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName chexp -ScriptBlock {
	param($word, $ast, $at)
	$asked = @($ast.CommandElements | Where-Object { $_.Extent.EndOffset -lt $at } | ForEach-Object { $_.ToString() })
	$more = @($asked | Select-Object -Skip 1)
	if ($word.StartsWith('-')) { $more += $word }
	& $asked[0] @more --generate-bash-completion 2>$null |
		Where-Object { $_ -like "$word*" } |
		ForEach-Object { [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_) }
}
